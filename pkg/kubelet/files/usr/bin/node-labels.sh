#!/bin/sh
# node-labels.sh LABELS: gives this node's object in the cluster the labels (KEY=VALUE,...), where it had others so far. The kubelet's
# own --node-labels is for a node that is new: one that is known keeps its labels, though another processor may be in it since.
set -f
state=/var/lib/kubelet/node-labels
config=/etc/kubernetes/kubelet.conf
[ "$(cat "$state" 2>/dev/null)" != "$1" ] || exit 0
IFS=,
# shellcheck disable=SC2086
set -- "$1" $1
unset IFS
given=$1
shift
# The name that the node has in the cluster is that of its certificate: system:node:NAME.
until name=$(kubectl --kubeconfig "$config" auth whoami -o "jsonpath={.status.userInfo.username}") 2>/dev/null &&
    kubectl --kubeconfig "$config" label node "${name#system:node:}" --overwrite "$@" >/dev/null 2>&1; do
    sleep "${KUBEADM_PAUSE:-10}"
done
echo "$given" >"$state"
echo "node-labels.sh: $given"
