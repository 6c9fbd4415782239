#!/bin/sh
# kubelet-conf.sh VERB: a node's kubelet.conf may be lost while all else of its cluster is there: a power cut while kubeadm wrote it, a
# repaired disk.
#   lost    whether kubelet.conf is gone, or has no content
#   whole   whether the kubelet has a certificate of the cluster
#   there   whether a master's part of a cluster is on the disk: etcd's data, an API server, or a restore of etcd that is under way
#   mend    gives a master with etcd's data another kubelet.conf, by the cluster's authority beside it, with the name and the address
#           that it has in the cluster. Not while an init is under way that no other node can know of, a join that has yet to be done
#           again, or while somebody wants all taken back
set -uf
kubernetes=/etc/kubernetes
conf=$kubernetes/kubelet.conf
manifests=$kubernetes/manifests
data=/var/lib/etcd/member/snap/db
given=/run/config/kubeadm
kubelet=/var/lib/kubelet
current=$kubelet/pki/kubelet-client-current.pem

# After a power cut a file may have its length and no content.
lost() { ! grep -qs '[a-z]' "$conf"; }

is_certificate() { grep -qs -e '-----BEGIN CERTIFICATE' "$1"; }

whole() {
    if lost; then return 1; fi
    certificate=$(sed -n 's/^ *client-certificate: *//p' "$conf")
    [ -z "$certificate" ] || is_certificate "$certificate"
}

there() {
    [ -s "$data" ] || [ -s "$manifests/kube-apiserver.yaml" ] || [ -d "$kubernetes/manifests-restore" ] ||
        [ -e /var/lib/etcd/restore/switch ]
}

# What kubeadm wrote into its static pods.
name() { sed -n 's/^ *- --name=//p' "$manifests/etcd.yaml"; }
endpoint() { sed -n 's/^ *kubeadm.kubernetes.io\/kube-apiserver.advertise-address.endpoint: *//p' "$manifests/kube-apiserver.yaml"; }
version() { sed -n 's/^ *image: .*kube-apiserver:\(v[0-9].*\)$/\1/p' "$manifests/kube-apiserver.yaml"; }

configuration() {
    address=${2%:*}
    address=${address#[}
    cat <<END
apiVersion: kubeadm.k8s.io/v1beta4
kind: InitConfiguration
localAPIEndpoint: {advertiseAddress: "${address%]}", bindPort: ${2##*:}}
nodeRegistration: {name: "$1", criSocket: "$(sed -n 's/^ *criSocket: *//p' /etc/kubeadm/kubeadm.yaml | head -n 1)"}
---
apiVersion: kubeadm.k8s.io/v1beta4
kind: ClusterConfiguration
kubernetesVersion: $3
END
}

# The certificate becomes a file of the kubelet's own, as kubeadm's last phase makes it, so that it is renewed.
own() {
    certificate=$(sed -n 's/^ *client-certificate-data: *//p' "$conf") key=$(sed -n 's/^ *client-key-data: *//p' "$conf")
    [ -n "$certificate" ] && [ -n "$key" ] || return 0
    mkdir -p "${current%/*}"
    file=kubelet-client-$(date -u +%Y-%m-%d-%H-%M-%S).pem
    { echo "$certificate" | base64 -d && echo "$key" | base64 -d; } >"${current%/*}/$file" || return
    chmod 0600 "${current%/*}/$file"
    ln -sf "$file" "$current.new" && mv "$current.new" "$current" && sync || return
    sed -e "s|^\( *client-certificate\)-data: .*|\1: $current|" -e "s|^\( *client-key\)-data: .*|\1: $current|" "$conf" >"$conf.new"
    chmod 0600 "$conf.new"
    sync
    mv "$conf.new" "$conf"
}

mend() {
    # A join that has not come as far as etcd has an API server already, and is done again.
    if ! lost || [ ! -s "$data" ]; then return 0; fi
    case $(cat "$kubernetes/unfinished" 2>/dev/null) in
    again) return 0 ;;
    begun)
        [ ! -f "$given/init" ] && [ -s "$kubelet/kubeadm-flags.env" ] && [ -s "$kubelet/config.yaml" ] || return 0
        ;;
    esac
    name=$(name) endpoint=$(endpoint) version=$(version)
    if [ ! -s "$kubernetes/pki/ca.key" ] || [ -z "$name" ] || [ -z "$endpoint" ] || [ -z "$version" ]; then
        echo "kubelet-conf.sh: the disk has a cluster without its kubelet.conf, and not all that another one is made of: \
pki/ca.key, and what the static pods say of the node's name and address"
        return 1
    fi
    echo "kubelet-conf.sh: the disk has a cluster without its kubelet.conf, which is made anew for $name at $endpoint"
    configuration "$name" "$endpoint" "$version" >/run/kubelet-conf.yaml
    rm -f "$conf"
    is_certificate "$current" || rm -f "$current"
    kubeadm init phase kubeconfig kubelet --config /run/kubelet-conf.yaml || return
    own
    sync
}

"$1"
