module kubeiso.dev/pkg/pause

go 1.26.0
