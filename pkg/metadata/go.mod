module kubeiso.dev/pkg/metadata

go 1.26.0

require (
	github.com/vishvananda/netlink v1.3.1
	go.yaml.in/yaml/v3 v3.0.4
	golang.org/x/sys v0.46.0
	kubeiso.dev/pkg/initrd v0.0.0-00010101000000-000000000000
)

require github.com/vishvananda/netns v0.0.5 // indirect

replace kubeiso.dev/pkg/initrd => ../initrd
