module kubeiso.dev/pkg/critest

go 1.26.2

tool sigs.k8s.io/cri-tools/cmd/critest

require sigs.k8s.io/cri-tools v1.36.0 // indirect
