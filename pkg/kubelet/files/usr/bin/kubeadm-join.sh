#!/bin/sh
# kubeadm-join.sh [--skip-phases=...] [ARGUMENTS]: kubeadm join with /run/config/kubeadm/kubeadm.yaml where somebody put one, else
# with the arguments, else with those in the file /run/config/kubeadm/join (as LinuxKit's Kubernetes has it).
set -ef
given=/run/config/kubeadm
image=/etc/kubeadm
skipped=''
case ${1:-} in
--skip-phases=*)
    skipped=$1
    shift
    ;;
esac
# A further master's, where the metadata have them; else kubeadm gets them from the cluster.
if [ -d "$given/pki" ]; then
    mkdir -p /etc/kubernetes/pki
    cp -R "$given/pki/." /etc/kubernetes/pki/
fi
if [ -f "$given/kubeadm.yaml" ]; then
    runtime-ready.sh
    kubeadm join --config "$given/kubeadm.yaml" ${skipped:+"$skipped"} "$@"
    sync # a power cut from now on loses nothing of what kubeadm wrote
    exit
fi
if [ "$#" -eq 0 ] && [ -f "$given/join" ]; then
    # The file's words are separate arguments.
    # shellcheck disable=SC2046
    set -- $(cat "$given/join")
fi
if [ "$#" -eq 0 ]; then
    echo "kubeadm-join.sh: which cluster? There are no arguments, and neither kubeadm.yaml nor join in $given" >&2
    exit 1
fi
base=$image/kubeadm-join.yaml # a master's; a worker has no other configuration than the one for join
[ -f "$base" ] || base=$image/kubeadm.yaml
runtime-ready.sh
kubeadm join --cri-socket "$(sed -n 's/^ *criSocket: *//p' "$base")" ${skipped:+"$skipped"} "$@"
sync
