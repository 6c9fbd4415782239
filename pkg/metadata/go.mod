module kubeiso.dev/pkg/metadata

go 1.26.0

require (
	github.com/insomniacslk/dhcp v0.0.0-20260901064844-234b97448fae
	github.com/vishvananda/netlink v1.3.1
	github.com/vmware/vmw-guestinfo v0.0.0-20220317130741-510905f0efa3
	go.yaml.in/yaml/v3 v3.0.4
	golang.org/x/sys v0.46.0
	kubeiso.dev/pkg/initrd v0.0.0-00010101000000-000000000000
)

require (
	github.com/josharian/native v1.1.0 // indirect
	github.com/mdlayher/packet v1.1.2 // indirect
	github.com/mdlayher/socket v0.4.1 // indirect
	github.com/pierrec/lz4/v4 v4.1.14 // indirect
	github.com/u-root/uio v0.0.0-20230220225925-ffce2a382923 // indirect
	github.com/vishvananda/netns v0.0.5 // indirect
	golang.org/x/net v0.55.0 // indirect
	golang.org/x/sync v0.3.0 // indirect
)

replace kubeiso.dev/pkg/initrd => ../initrd
