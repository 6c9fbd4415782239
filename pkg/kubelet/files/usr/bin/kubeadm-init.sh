#!/bin/sh
# kubeadm-init.sh [ARGUMENTS]: kubeadm init with the node's configuration, then the manifests of kube-system.init.
set -e
kubeadm-form.sh all "$@"
if ! kubeadm-manifests.sh; then
    echo "kubeadm-init.sh: the cluster is there; once its API server takes the manifests: kubeadm-manifests.sh" >&2
    exit 1
fi
sync
echo "kubeadm-init.sh: done"
