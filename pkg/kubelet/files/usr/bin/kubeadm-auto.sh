#!/bin/sh
# kubeadm-auto.sh PID: what the node does by itself where /run/config/kubeadm has a file init (its words are arguments for
# kubeadm-init.sh) or join: it runs kubeadm in the background, again and again until it succeeds.
# PID is, or will be, the kubelet. Its end makes the node start this service anew, which begins with kubeadm reset.
set -uf
kubelet=$1
given=/run/config/kubeadm
kubernetes=/etc/kubernetes
flags=/var/lib/kubelet/kubeadm-flags.env
log=/var/log/kubeadm.log
pause=${KUBEADM_PAUSE:-30} # seconds
# There from the first attempt until one succeeds, on the disk that has what kubeadm writes.
unfinished=$kubernetes/unfinished

if [ -f "$given/init" ]; then
    verb="init"
elif [ -f "$given/join" ]; then
    verb="join"
else
    exit 0
fi
if [ -e "$kubernetes/kubelet.conf" ] && [ ! -e "$unfinished" ]; then
    exit 0 # done, or somebody else did it
fi

reset() {
    socket=$(sed -n 's/^ *criSocket: *//p' /etc/kubeadm/kubeadm.yaml)
    kubeadm reset --force --cri-socket "$socket" >>"$log" 2>&1 || echo "kubeadm-auto.sh: kubeadm reset failed, see $log"
    rm -f "$flags" /var/lib/kubelet/config.yaml
}

attempt() {
    if [ "$verb" = init ]; then
        # shellcheck disable=SC2046
        kubeadm-init.sh --skip-token-print $(cat "$given/init")
    else
        kubeadm-join.sh
    fi
}

# The last attempt's cause: a failed check of kubeadm's preflight is told in a line of its own, before its error.
cause() {
    grep -E '^[[:space:]]*(\[ERROR |error: )' "$log" | grep -v ': preflight checks failed$' | tail -n 1 | sed 's/^[[:space:]]*//'
}

attempts() {
    until attempt >>"$log" 2>&1; do
        echo "kubeadm-auto.sh: kubeadm $verb failed, see $log; again in $pause s: $(cause)"
        sleep "$pause"
        if [ -e "$flags" ]; then
            kill "$kubelet" # it runs with the configuration of this attempt
            exit
        fi
        reset
    done
    rm "$unfinished"
    sync
    echo "kubeadm-auto.sh: kubeadm $verb is done"
}

if [ -e "$unfinished" ]; then
    echo "kubeadm-auto.sh: an earlier kubeadm $verb did not get to its end: kubeadm reset"
    reset
fi
: >"$unfinished"
sync
echo "kubeadm-auto.sh: kubeadm $verb, output in $log"
attempts &
