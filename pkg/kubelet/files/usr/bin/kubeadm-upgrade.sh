#!/bin/sh
# kubeadm-upgrade.sh PID: brings what an earlier medium left on the node's disk to this medium's release of Kubernetes, before the
# kubelet (PID is, or will be, it) starts; what needs the API server is done in the background, again and again until it succeeds.
#
# Static pods name images, and those of the earlier medium are gone: etcd's data are copied, then the manifests get this medium's
# images, so that the control plane comes up without a network. kubeadm upgrade does the rest. A power cut at any time leaves what
# the next boot goes on from: each file is made aside and renamed, and nothing is begun before it is noted.
set -uf
kubelet=$1
kubernetes=/etc/kubernetes
manifests=$kubernetes/manifests
parts="etcd kube-apiserver kube-controller-manager kube-scheduler"
config=/etc/kubeadm/kubeadm-upgrade.yaml
brought=/etc/kubeadm/images # of this medium: those that kubeadm's pods have, one reference a line
done=$kubernetes/upgraded   # the same of the medium that the cluster was brought to
# Noted while an upgrade is not done: "node" or, once this node upgrades what is the cluster's own, "cluster".
# The step `state` refuses to begin another one meanwhile (pkg/state/release.go).
upgrading=$kubernetes/upgrading
kubelet_config=/var/lib/kubelet/config.yaml
former_config=$kubernetes/upgrading.kubelet # what it was before kubeadm writes it, which a power cut would cut short
record=/var/lib/kubeiso/release             # what wrote the disk, by the step `state`
copies=/var/lib/etcd-copies
kept=3                          # copies of etcd's data
spare=65536                     # KiB that have to be free beside a copy
me=kubeadm-upgrade.sh stage=upgrade run=/run/kubeadm-upgrade
# shellcheck source=pkg/kubelet/files/usr/bin/kubeadm-told.sh
. kubeadm-told.sh

[ -f "$brought" ] && [ -f "$config" ] || exit 0

ours=$(sed -n 's/^kubernetesVersion: *v//p; s/^  kubernetesVersion: *v//p' "$config" | head -n 1)
minor() { echo "$1" | cut -d . -f 1,2; }

# What wrote the node's state last.
wrote() {
    known=$(sed -n 's/^kubernetes=//p' "$record" 2>/dev/null)
    echo "${known:-$ours}"
}
runs() { sed -n 's|^ *image: .*/kube-apiserver:v||p' "$manifests/kube-apiserver.yaml"; }

# A cluster has this node, or is about to: what kubeadm-auto.sh makes anew is none.
is_member() {
    [ -s "$kubernetes/kubelet.conf" ] || return 1
    [ -e "$kubernetes/unfinished" ] || return 0
    case $(cat "$kubernetes/unfinished") in formed | member) return 0 ;; esac
    return 1
}
is_master() { [ -s "$manifests/kube-apiserver.yaml" ]; }

# A manifest with this medium's images in the place of the same ones with other tags; others are left as they are.
renewed() { # FILE
    awk -v list="$brought" '
        function repository(image) { sub(/:[^:\/]*$/, "", image); return image }
        BEGIN { while ((getline image <list) > 0) ours[repository(image)] = image }
        match($0, /^ *(- )?image: */) {
            image = substr($0, RLENGTH + 1)
            gsub(/["\047 ]/, "", image)
            if (repository(image) in ours) { print substr($0, 1, RLENGTH) ours[repository(image)]; next }
        }
        { print }' "$1"
}

# The names of the static pods whose images are not this medium's.
stale() {
    for name in $parts; do
        [ ! -e "$manifests/$name.yaml" ] || renewed "$manifests/$name.yaml" | cmp -s - "$manifests/$name.yaml" || echo "$name"
    done
}

# etcd's data as they are before anything newer has written to them; etcd does not run yet.
copy_etcd() {
    if [ ! -e "$manifests/etcd.yaml" ] || { [ -e "$upgrading" ] && [ "$(wrote)" = "$ours" ]; }; then
        return 0 # another's etcd; or it was copied, and has not run since
    fi
    data=$(sed -n 's/^ *- --data-dir=//p' "$manifests/etcd.yaml")
    [ -d "${data:=/var/lib/etcd}/member" ] || return 0
    copy=$copies/v$(runs)-before-v$ours
    mkdir -p "$copies" && chmod 0700 "$copies" || return
    rm -rf "$copy.new"
    need=$(du -sk "$data/member" | cut -f 1)
    free=$(df -kP "$copies" | awk 'NR == 2 { print $4 }')
    if [ "$free" -lt "$((need + spare))" ]; then
        echo "error: a copy of etcd's data takes $((need / 1024)) MiB, and $((free / 1024)) MiB are free: make room below /var, or boot" \
            "the former medium (Kubernetes v$(runs)); nothing was touched"
        return 1
    fi
    mkdir "$copy.new" && cp -a "$data/member" "$copy.new/member" && cp -a "$manifests" "$copy.new/manifests" && sync || return
    rm -rf "$copy"
    mv "$copy.new" "$copy" && sync || return
    set +f
    # shellcheck disable=SC2012 # the names are our own
    ls -1dt "$copies"/v* | tail -n "+$((kept + 1))" | while read -r old; do rm -rf "$old"; done
    set -f
    echo "etcd's data were copied to $copy"
}

# From here on the former medium's minor version can't go on with this disk.
note_ours() {
    if [ -e "$record" ]; then
        sed "s/^kubernetes=.*/kubernetes=$ours/" "$record" | replace "$record"
    fi
}

begin() {
    [ -e "$upgrading" ] || echo node | replace "$upgrading" || return
    note_ours
}

renew() { # NAMES
    for name in "$@"; do
        # No name below the manifests' folder: the kubelet would take it for a further pod.
        cp -p "$manifests/$name.yaml" "$kubernetes/upgraded.manifest" &&
            renewed "$manifests/$name.yaml" >"$kubernetes/upgraded.manifest" && sync &&
            renewed "$manifests/$name.yaml" | cmp - "$kubernetes/upgraded.manifest" && # awk says nothing of a full disk
            mv "$kubernetes/upgraded.manifest" "$manifests/$name.yaml" && sync || return
        echo "$manifests/$name.yaml has this medium's image"
    done
}

bring_control_plane() {
    names=$(stale)
    [ -n "$names" ] || return 0
    # shellcheck disable=SC2086
    copy_etcd && begin && renew $names
}

# A kubelet must not be newer than an API server: a worker whose medium has another minor version waits for its masters.
follow_masters() {
    [ "$(minor "$(wrote)")" != "$(minor "$ours")" ] || return 0
    theirs=$(kubectl --kubeconfig "$kubernetes/kubelet.conf" --request-timeout=30s get --raw /version) || return
    theirs=$(echo "$theirs" | sed -n 's/.*"gitVersion": *"v\([^"]*\)".*/\1/p')
    if [ -z "$theirs" ]; then
        echo "error: the API server does not tell its version"
        return 1
    fi
    if [ "$(printf '%s\n' "$(minor "$ours")" "$(minor "$theirs")" | sort -t . -k 1,1n -k 2,2n | head -n 1)" != "$(minor "$ours")" ]; then
        echo "error: the masters have Kubernetes v$theirs, and this worker's medium v$ours: a kubelet must not be newer than they are." \
            "Upgrade the masters first, or boot the former medium (v$(wrote)); nothing was touched"
        return 1
    fi
    begin
}

# A restore of etcd that was interrupted has the manifests apart; it takes them again once the kubelet runs (etcd-restore.sh).
put_together() {
    for name in $parts; do
        [ ! -e "$manifests-restore/$name.yaml" ] || mv "$manifests-restore/$name.yaml" "$manifests/$name.yaml" || return
    done
}

before() {
    restore_config && put_together || return
    if is_master; then bring_control_plane; else follow_masters; fi
}

# The tags of images that the cluster's own configuration names, where the medium's names them as well; else there are none.
tags_of_cluster() { # FILE
    awk -v ours=/etc/kubeadm/kubeadm.yaml '
        function part(line) { sub(/:.*/, "", line); return line }
        BEGIN {
            while ((getline line <ours) > 0) {
                if (line ~ /^[a-zA-Z]/) at = part(line)
                if (line ~ /^ *imageTag:/) { tag = line; sub(/.*: */, "", tag); tags[at] = tag }
            }
            at = ""
        }
        /^[a-zA-Z]/ { at = part($0) }
        (at == "dns" || at == "etcd") && /^ *imageTag:/ { next }
        /^dns:/ && "dns" in tags { print "dns:"; print "  imageTag: " tags["dns"]; next }
        { print }
        at == "etcd" && /^  local:/ && "etcd" in tags { print "    imageTag: " tags["etcd"] }' "$1"
}

follow_tags() {
    kubectl -n kube-system get configmap kubeadm-config -o 'jsonpath={.data.ClusterConfiguration}' >"$run/cluster" || return
    tags_of_cluster "$run/cluster" >"$run/ClusterConfiguration" || return
    cmp -s "$run/cluster" "$run/ClusterConfiguration" && return
    kubectl -n kube-system create configmap kubeadm-config --from-file="$run/ClusterConfiguration" --dry-run=client -o yaml |
        kubectl replace -f -
}

# The API server of this node is this medium's, and told the cluster so.
is_up() {
    name=$(kubectl --kubeconfig "$kubernetes/kubelet.conf" auth whoami -o 'jsonpath={.status.userInfo.username}') || return
    pod=kube-apiserver-${name#system:node:}
    image=$(kubectl -n kube-system get pod "$pod" -o 'jsonpath={.spec.containers[0].image}') || return
    if [ "$(sed -n 's/^ *image: *//p' "$manifests/kube-apiserver.yaml")" != "$image" ]; then
        echo "error: $pod has $image still"
        return 1
    fi
}

# An API server needs its time to come up: that is no failure.
patience() {
    for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
        if is_master; then is_up; else kubectl --kubeconfig "$kubernetes/kubelet.conf" get --raw /readyz; fi >/dev/null 2>&1 && return
        sleep "$first"
    done
}

# kubeadm upgrades CoreDNS and kube-proxy with the last master alone, and until then a node with this medium could run neither: it has
# no other images. One of another repository stays.
follow_add_ons() {
    add_on daemonset kube-proxy && add_on deployment coredns
}

add_on() { # KIND NAME
    image=$(kubectl -n kube-system get "$1" "$2" --ignore-not-found -o 'jsonpath={.spec.template.spec.containers[0].image}') || return
    [ -n "$image" ] || return 0
    new=$(grep -F "${image%:*}:" "$brought") || return 0
    [ "$new" = "$image" ] || kubectl -n kube-system set image "$1/$2" "$2=$new"
}

# The first master of this release upgrades what is the cluster's, each one its own part.
upgrade_master() {
    is_up && follow_tags || return
    if [ "$(cat "$upgrading")" != cluster ]; then
        theirs=$(kubectl -n kube-system get configmap kubeadm-config -o 'jsonpath={.data.ClusterConfiguration}') || return
        if [ "$(echo "$theirs" | sed -n 's/^kubernetesVersion: *v//p')" = "$ours" ]; then
            kubeadm upgrade node --config "$config"
            return
        fi
        echo cluster | replace "$upgrading" || return
    fi
    follow_add_ons && kubeadm upgrade apply --config "$config"
}

upgrade_node() {
    if [ -e "$kubernetes/unfinished" ]; then
        echo "error: kubeadm init or join is not done yet"
        return 1
    fi
    keep_config || return
    if is_master; then upgrade_master; else kubeadm upgrade node --config "$config"; fi
}

# kubeadm writes files in their places.
keep_config() { [ -e "$former_config" ] || replace "$former_config" <"$kubelet_config"; }
restore_config() {
    [ ! -e "$former_config" ] || replace "$kubelet_config" <"$former_config" || return
    [ -s /var/lib/kubelet/instance-config.yaml ] || rm -f /var/lib/kubelet/instance-config.yaml
}

finish() { # the cluster is what this medium brought: on the disk before anything is forgotten
    sync && replace "$done" <"$brought" && rm -f "$former_config" && sync && rm -f "$upgrading" && sync
}

after() {
    tell cluster start
    was=$(sha256sum <"$kubelet_config")
    patience
    insist cluster "kubeadm upgrade" logged "kubeadm upgrade, to v$ours" upgrade_node
    insist cluster "noting that the upgrade is done" logged "the upgrade is done" finish
    forget_pauses
    tell cluster ok
    echo "$me: the upgrade to v$ours is done"
    # The kubelet reads its configuration when it starts.
    [ "$(sha256sum <"$kubelet_config")" = "$was" ] || kill "$kubelet"
}

mkdir -p "$run"
if ! is_member; then
    # Whoever makes or joins a cluster now has this medium's kubeadm.
    rm -f "$upgrading" "$former_config"
    cmp -s "$brought" "$done" || replace "$done" <"$brought"
    exit 0
fi
if cmp -s "$brought" "$done" && [ ! -e "$upgrading" ] && [ -z "$(stale)" ] && [ "$(minor "$(wrote)")" = "$(minor "$ours")" ]; then
    exit 0
fi
echo "$me: from Kubernetes v$(wrote) to v$ours, output in $log"
tell node start
insist node "bringing the node to v$ours" logged "the node goes to v$ours" before
insist node "noting that an upgrade is under way" logged "the upgrade is under way" begin
forget_pauses
tell node ok
after &
