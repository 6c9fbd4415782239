#!/bin/sh
# kubelet-conf.sh whole|there|mend: a node's kubelet.conf may be lost while all else of its cluster is there: a power cut while kubeadm
# wrote it, a repaired disk.
#   whole   whether the kubelet has a certificate of the cluster, by its exit code
#   there   whether a master's part of a cluster is on the disk: etcd's data, or an API server
#   mend    gives a node with etcd's data another kubelet.conf, by the cluster's authority beside it. Not while an init is under way
#           that no other node can know of, or while somebody wants all taken back
set -uf
kubernetes=/etc/kubernetes
conf=$kubernetes/kubelet.conf
given=/run/config/kubeadm

# After a power cut a file may have its length and no content.
whole() {
    grep -qs '[a-z]' "$conf" || return 1
    certificate=$(sed -n 's/^ *client-certificate: *//p' "$conf")
    [ -z "$certificate" ] || grep -qs -e '-----BEGIN CERTIFICATE' "$certificate"
}

data=/var/lib/etcd/member/snap/db

there() { [ -s "$data" ] || [ -s "$kubernetes/manifests/kube-apiserver.yaml" ]; }

# A node that joined has no configuration for an init but its image's.
made() {
    for config in "$given/kubeadm.yaml" /etc/kubeadm/kubeadm.yaml; do
        [ ! -f "$config" ] || kubeadm init phase kubeconfig kubelet --config "$config" && whole && return
    done
    return 1
}

mend() {
    # A join that has not come as far as etcd has an API server already, and is done again.
    if whole || [ ! -s "$data" ]; then return; fi
    case $(cat "$kubernetes/unfinished" 2>/dev/null) in
    again) return 0 ;;
    begun) [ ! -f "$given/init" ] || return 0 ;;
    esac
    if [ ! -s "$kubernetes/pki/ca.key" ]; then
        echo "kubelet-conf.sh: the disk has a cluster, and neither kubelet.conf nor pki/ca.key, which would give another one"
        return 1
    fi
    echo "kubelet-conf.sh: the disk has a cluster without its kubelet.conf, which is made anew"
    rm -f "$conf"
    made || return
    sync
}

"$1"
