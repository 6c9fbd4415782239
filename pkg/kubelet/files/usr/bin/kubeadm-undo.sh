#!/bin/sh
# kubeadm-undo.sh: takes back what a kubeadm join wrote that did not get to its end. A kubelet that runs has its configuration still, and
# has to be started anew.
set -uf
socket=$(sed -n 's/^ *criSocket: *//p' /etc/kubeadm/kubeadm.yaml)
kubeadm reset --force --cri-socket "$socket" || echo "kubeadm-undo.sh: kubeadm reset failed"
rm -rf /var/lib/etcd/member
rm -f /var/lib/kubelet/kubeadm-flags.env /var/lib/kubelet/config.yaml
sync
