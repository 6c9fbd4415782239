module kubeiso.dev/pkg/state

go 1.26.0

require (
	golang.org/x/sys v0.46.0
	kubeiso.dev/pkg/initrd v0.0.0-00010101000000-000000000000
)

replace kubeiso.dev/pkg/initrd => ../initrd
