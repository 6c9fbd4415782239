#!/bin/sh
# kubeadm-form.sh all|begin|end [ARGUMENTS]: kubeadm init with the node's configuration; or only what leads to a control plane that
# is up, or only what comes after, which may be done any number of times.
# The configuration is /run/config/kubeadm/kubeadm.yaml where somebody put one, else the image's own.
set -ef
given=/run/config/kubeadm
config=$given/kubeadm.yaml
[ -f "$config" ] || config=/etc/kubeadm/kubeadm.yaml

# The phases that the configuration leaves out, each with a comma: it is not heard where the command line names some.
left_out() {
    awk '
        { sub(/[ \t]#.*/, "") }
        /^skipPhases:/ { on = 1; sub(/^skipPhases:/, ""); gsub(/[][ \t]/, ""); if ($0) print "," $0; next }
        on && /^[ \t]*-[ \t]/ { sub(/^[ \t]*-[ \t]*/, ""); print "," $0; next }
        { on = 0 }' "$config" | tr -d "\"'\n"
}

part=$1
shift
before=preflight,certs,kubeconfig,etcd,control-plane,kubelet-start
after=upload-config,upload-certs,mark-control-plane,bootstrap-token,kubelet-finalize,addon,show-join-command
case $part in
begin) set -- "--skip-phases=$after$(left_out)" "$@" ;;
end) set -- "--skip-phases=$before$(left_out)" "$@" ;;
esac
# An authority that was made before the cluster, which nodes trust without having to be told.
if [ "$part" != end ] && [ -d "$given/pki" ]; then
    mkdir -p /etc/kubernetes/pki
    cp -R "$given/pki/." /etc/kubernetes/pki/
fi
runtime-ready.sh
kubeadm init --config "$config" "$@"
sync # a power cut from now on loses nothing of what kubeadm wrote
