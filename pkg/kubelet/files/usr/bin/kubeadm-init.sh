#!/bin/sh
# kubeadm init with the node's configuration, then the manifests of kube-system.init.
# The configuration is /run/config/kubeadm/kubeadm.yaml where somebody put one, else the image's own.
set -e
config=/run/config/kubeadm/kubeadm.yaml
[ -f "$config" ] || config=/etc/kubeadm/kubeadm.yaml
if [ "$#" -ne 0 ]; then
    kubeadm init --config "$config" "$@"
else
    kubeadm init --config "$config"
fi
export KUBECONFIG=/etc/kubernetes/admin.conf
for manifest in /etc/kubeadm/kube-system.init/*.yaml /run/config/kube-system.init/*.yaml; do
    if [ -s "$manifest" ]; then
        echo "kubeadm-init.sh: applying $manifest"
        kubectl apply -f "$manifest"
    fi
done
if [ -f /etc/kubeadm/untaint-master ] || [ -f /run/config/kubeadm/untaint-master ]; then
    kubectl taint nodes --all node-role.kubernetes.io/control-plane:NoSchedule- || true
fi
echo "kubeadm-init.sh: done"
