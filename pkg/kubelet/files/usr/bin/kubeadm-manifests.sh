#!/bin/sh
# Applies the manifests of kube-system.init, and lets pods run on a master where that is asked for. One that the API server refuses
# does not keep the others from it; the exit code is 0 only when all is done. It may run any number of times.
set -u
given=/run/config
image=/etc/kubeadm
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

refused=''
for manifest in "$image"/kube-system.init/*.yaml "$given"/kube-system.init/*.yaml; do
    if [ -s "$manifest" ]; then
        echo "kubeadm-manifests.sh: applying $manifest"
        apply "$manifest" || refused="$refused $manifest"
    fi
done
taint=node-role.kubernetes.io/control-plane:NoSchedule-
if [ -f "$image/untaint-master" ] || [ -f "$given/kubeadm/untaint-master" ]; then
    kubectl taint nodes --all "$taint" || true # none has it, if it is not the first time
fi
if [ -n "$refused" ]; then
    echo "kubeadm-manifests.sh: not applied:$refused" >&2
    exit 1
fi
