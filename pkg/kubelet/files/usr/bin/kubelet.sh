#!/bin/sh
# Runs the kubelet as soon as kubeadm (init or join) has written its configuration.
exec 1>&2
config=/var/lib/kubelet/config.yaml
flags=/var/lib/kubelet/kubeadm-flags.env
kubeadm-reset.sh wished || echo "kubelet.sh: kubeadm reset ended with exit code $?"
kubelet-conf.sh mend || service report kubeadm kubelet.conf failed "it is lost, and could not be made anew" 2>/dev/null || true
kubeadm-upgrade.sh "$$" || exit
instance.sh files
instance.sh boot
kubeadm-auto.sh "$$"
if [ ! -s "$flags" ]; then
    echo "kubelet.sh: waiting for kubeadm init or join ($flags)"
    until [ -s "$config" ] && [ -s "$flags" ]; do sleep 1; done
fi
# The file holds one assignment, KUBELET_KUBEADM_ARGS="...", written by kubeadm.
# shellcheck source=/dev/null
. "$flags"
# The image's own words: KUBELET_ARGS="...", and files of KubeletConfiguration.
# shellcheck source=/dev/null
[ ! -f /etc/kubelet.conf.d/arguments ] || . /etc/kubelet.conf.d/arguments
# What the node found out about itself; a new node registers with it, one that is known is told in the background.
found=$(cat /run/node-labels/* 2>/dev/null | paste -s -d , -)
if [ -n "$found" ]; then
    set -- --node-labels="$found" "$@"
    node-labels.sh "$found" &
fi
chmod 0600 "$config" # kubeadm makes it for all to read
[ ! -d /var/lib/etcd ] || chmod 0700 /var/lib/etcd
etcd-restore.sh resume
certificates renew || echo "kubelet.sh: certificates renew ended with exit code $?"
# A node that lacks its metadata has another name, and may have another's address: none is better than such a kubelet.
called() {
    # shellcheck disable=SC2086
    given=$(printf '%s ' $KUBELET_KUBEADM_ARGS ${KUBELET_ARGS:-} | sed 's/--hostname-override  */--hostname-override=/g' | tr ' ' '\n' |
        sed -n 's/^--hostname-override=//p' | tail -n 1)
    echo "${given:-$(uname -n)}" | tr '[:upper:]' '[:lower:]' # as the kubelet has it
}
known() { name=$(certificates name) && [ -n "$name" ] && [ "$name" != "$(called)" ]; }
if known; then
    why="its cluster knows this node as $name, and it is called $(called) now: are its metadata there?"
    echo "kubelet.sh: the kubelet waits: $why"
    service report kubeadm kubelet failed "$why" 2>/dev/null || true
    while known; do sleep "${NAME_PAUSE:-15}"; done
    service report kubeadm kubelet ok 2>/dev/null || true
fi
certificates watch &
watch=$!
reserved=/run/kubelet.conf.d
kubelet-reserved.sh "$config" "$reserved" || echo "kubelet.sh: nothing is reserved for the node itself"
mkdir -p "$reserved"
for file in /etc/kubelet.conf.d/*.conf; do
    [ ! -f "$file" ] || cp "$file" "$reserved/50-${file##*/}" # the kubelet reads one folder
done
# What the recipe's proxy is for; the API server is reached without it, and so by all that began before.
set -a
for file in /proc/1/root/etc/environment.d/*.conf; do
    # shellcheck source=/dev/null
    [ ! -f "$file" ] || . "$file"
done
set +a
host='s|^ *server: https://\[\([^]]*\)\].*|,\1|p; s|^ *server: https://\([^:/[]*\).*|,\1|p'
for file in /etc/kubernetes/kubelet.conf /etc/kubernetes/bootstrap-kubelet.conf; do
    [ -z "${NO_PROXY:-}" ] || [ ! -f "$file" ] || NO_PROXY=$NO_PROXY$(sed -n "$host" "$file")
done
stopped='' child=''
trap 'stopped=yes; [ -z "$child" ] || kill "$child"' TERM INT
while :; do
    echo "kubelet.sh: starting the kubelet"
    # Words of both variables are separate arguments.
    # shellcheck disable=SC2086
    kubelet --config="$config" --config-dir="$reserved" --kubeconfig=/etc/kubernetes/kubelet.conf \
        --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf $KUBELET_KUBEADM_ARGS ${KUBELET_ARGS:-} "$@" &
    child=$!
    [ -z "$stopped" ] || kill "$child"
    wait "$child"
    code=$?
    [ -z "$stopped" ] || wait "$child" # a signal ended the first wait
    # The end of this script ends the service, and with it a kubeadm that runs in it and waits for this kubelet: one that joins a
    # further master on a slow machine. A kubelet without a certificate gives up after 5 minutes (pkg/kubelet/certificate).
    if [ -n "$stopped" ] || ! pidof kubeadm >/dev/null; then
        kill "$watch"
        wait "$watch"
        exit "$code"
    fi
    echo "kubelet.sh: the kubelet ended with exit code $code while kubeadm is at work"
    sleep 1
done
