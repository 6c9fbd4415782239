#!/bin/sh
# Runs the kubelet as soon as kubeadm (init or join) has written its configuration.
exec 1>&2
config=/var/lib/kubelet/config.yaml
flags=/var/lib/kubelet/kubeadm-flags.env
kubeadm-auto.sh "$$"
if [ ! -s "$flags" ]; then
    echo "kubelet.sh: waiting for kubeadm init or join ($flags)"
    until [ -s "$config" ] && [ -s "$flags" ]; do sleep 1; done
fi
# The file holds one assignment, KUBELET_KUBEADM_ARGS="...", written by kubeadm.
# shellcheck source=/dev/null
. "$flags"
[ ! -f /etc/kubelet.conf.d/arguments ] || . /etc/kubelet.conf.d/arguments
echo "kubelet.sh: starting the kubelet"
# Words of both variables are separate arguments.
# shellcheck disable=SC2086
exec kubelet --config="$config" --kubeconfig=/etc/kubernetes/kubelet.conf \
    --bootstrap-kubeconfig=/etc/kubernetes/bootstrap-kubelet.conf $KUBELET_KUBEADM_ARGS ${KUBELET_ARGS:-} "$@"
