#!/bin/sh
# kubeadm-reset.sh [later | wished]: takes back what an init or a join wrote that did not get to its end, etcd's data too. No kubelet
# may run meanwhile: it would start static pods again whose files are gone, and the runtime makes folders in their places.
#   later    not now, but when the kubelet's service begins, after a power cut too
#   wished   where somebody said later
set -uf
wish=/etc/kubernetes/to-reset
case ${1:-} in
later)
    : >"$wish"
    sync
    exit
    ;;
wished)
    [ -e "$wish" ] || exit 0
    echo "kubeadm-reset.sh: taking back what kubeadm wrote"
    ;;
esac
socket=$(sed -n 's/^ *criSocket: *//p' /etc/kubeadm/kubeadm.yaml)
kubeadm reset --force --cri-socket "$socket"
code=$?
rm -rf /var/lib/etcd/member
rm -f /var/lib/kubelet/kubeadm-flags.env /var/lib/kubelet/config.yaml
sync
rm -f "$wish"
exit "$code"
