#!/bin/sh
# kubeadm init with the node's configuration, then the manifests of kube-system.init.
# The configuration is /run/config/kubeadm/kubeadm.yaml where somebody put one, else the image's own.
set -e
given=/run/config/kubeadm
image=/etc/kubeadm
config=$given/kubeadm.yaml
[ -f "$config" ] || config=$image/kubeadm.yaml
# An authority that was made before the cluster, which nodes trust without having to be told.
if [ -d "$given/pki" ]; then
    mkdir -p /etc/kubernetes/pki
    cp "$given"/pki/* /etc/kubernetes/pki/
fi
runtime-ready.sh
kubeadm init --config "$config" "$@"
export KUBECONFIG=/etc/kubernetes/admin.conf

apply() {
    # An API server that has just come up may need a while.
    for _ in 1 2 3 4; do
        if kubectl apply -f "$1"; then
            return
        fi
        sleep "${KUBEADM_PAUSE:-10}"
    done
    kubectl apply -f "$1"
}

for manifest in "$image"/kube-system.init/*.yaml /run/config/kube-system.init/*.yaml; do
    if [ -s "$manifest" ]; then
        echo "kubeadm-init.sh: applying $manifest"
        apply "$manifest"
    fi
done
if [ -f "$image/untaint-master" ] || [ -f "$given/untaint-master" ]; then
    kubectl taint nodes --all node-role.kubernetes.io/control-plane:NoSchedule- || true
fi
sync # a power cut from now on loses nothing of what kubeadm wrote
echo "kubeadm-init.sh: done"
