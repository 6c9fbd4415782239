#!/bin/sh
# kubeadm-auto.sh PID: what the node does by itself where /run/config/kubeadm has a file init (its words are arguments for kubeadm
# init) or join: it runs kubeadm in the background, again and again until it succeeds. What was reached is never taken back: only
# an init whose control plane never came up, and a join whose node never became a member, begin with kubeadm reset.
# PID is, or will be, the kubelet. Its end makes the node start this service anew.
set -uf
kubelet=$1
given=/run/config/kubeadm
wished=/run/config/instance # commands of the metadata
kubernetes=/etc/kubernetes
flags=/var/lib/kubelet/kubeadm-flags.env
me=kubeadm-auto.sh stage=kubeadm run=/run/kubeadm-auto # forgotten with each boot
# shellcheck source=pkg/kubelet/files/usr/bin/kubeadm-told.sh
. kubeadm-told.sh
# How far it came, on the disk that has what kubeadm writes; without this file nothing was begun, or all is done.
#   begun   kubeadm is at work, and no other node can have joined: to reset loses nothing
#   again   so it is, and kubeadm reset has to come first
#   formed  the control plane came up, the cluster's tokens come after: from here on nothing is reset
#   member  kubeadm is done, the manifests of kube-system.init are not
unfinished=$kubernetes/unfinished

if [ -f "$given/init" ]; then
    verb="init"
elif [ -f "$given/join" ]; then
    verb="join"
else
    if [ -f "$wished/before" ]; then instance.sh before & fi
    exit 0
fi

mark() { echo "$1" | replace "$unfinished"; }

standing() {
    [ -e "$unfinished" ] || return
    word=$(cat "$unfinished")
    case $word in
    formed | member) kubelet-conf.sh whole || kubelet-conf.sh there || word=again ;; # somebody reset by hand what came up once
    esac
    echo "${word:-begun}"
}

reset() { logged reset kubeadm-reset.sh || echo "kubeadm-auto.sh: kubeadm reset failed, see $log"; }

reached() { logged "noting $1" mark "$1"; }

begin_anew() {
    [ "$(standing)" != again ] || reset
    insist "$verb" "noting that kubeadm begins" reached begun
}

# After an attempt that may be undone. A kubelet that runs has that attempt's configuration: the service begins anew with reset.
undo() {
    reached again
    if [ -e "$flags" ]; then
        kill "$kubelet"
        exit
    fi
    begin_anew
}

init() {
    # shellcheck disable=SC2046
    set -- $(cat "$given/init")
    if [ "$(standing)" = begun ]; then
        until logged "kubeadm init, as far as the control plane" kubeadm-form.sh begin "$@"; do
            again init "kubeadm init"
            undo
        done
        insist init "noting that the control plane is up" reached formed
        forget_pauses
    fi
    if [ "$(standing)" = formed ]; then
        insist init "kubeadm init" logged "kubeadm init, with its control plane up" kubeadm-form.sh end "$@"
        insist init "noting that kubeadm init is done" reached member
        forget_pauses
    fi
    insist manifests "applying the manifests" logged "manifests" kubeadm-manifests.sh
}

# Of a node with a certificate: does the cluster know it? A further master has the rest of kubeadm join to do.
is_member() {
    if [ -e "$kubernetes/manifests/kube-apiserver.yaml" ]; then
        kubeadm-join.sh --skip-phases=preflight,control-plane-prepare,check-etcd,kubelet-start
    else
        kubectl --kubeconfig "$kubernetes/kubelet.conf" auth whoami
    fi
}

join() {
    while :; do
        if kubelet-conf.sh whole; then
            logged "kubeadm join, after the node got its certificate" is_member && return
        else
            logged "kubeadm join" kubeadm-join.sh && return
        fi
        again join "kubeadm join"
        if ! kubelet-conf.sh whole || cause | grep -q Unauthorized; then
            undo
        fi
    done
}

at_work() {
    instance.sh before
    tell "$verb" start
    "$verb"
    rm -f "$unfinished"
    forget_pauses
    sync # a power cut from now on loses nothing
    tell "$verb" ok
    echo "kubeadm-auto.sh: kubeadm $verb is done"
    instance.sh after
}

if [ ! -e "$unfinished" ] && kubelet-conf.sh there && kubelet-conf.sh lost; then
    tell "$verb" failed "the disk has a cluster, but no kubelet.conf: give it one, or say kubeadm-reset.sh later, and reboot"
    exit 0
fi
if [ -e "$kubernetes/kubelet.conf" ] && [ ! -e "$unfinished" ]; then
    if [ -f "$wished/after" ]; then instance.sh after & fi # done, or somebody else did it
    exit 0
fi
mkdir -p "$run"
was=$(standing)
if [ "$was" = begun ] && ! { [ "$verb" = join ] && kubelet-conf.sh whole; }; then
    was=again
    mark again
fi
if [ "$was" = again ]; then
    echo "kubeadm-auto.sh: an earlier kubeadm $verb did not get to its end: kubeadm reset"
fi
case $was in
again | '') begin_anew ;;
*) echo "kubeadm-auto.sh: kubeadm $verb goes on where it was ended ($was)" ;;
esac
echo "kubeadm-auto.sh: kubeadm $verb, output in $log"
at_work &
