#!/bin/sh
# etcd-save.sh: makes a snapshot of this master's etcd, /var/lib/etcd/save/snapshot.db, and prints what etcdutl says of it (JSON).
# It is consistent, whatever is written meanwhile: etcd's own snapshot of one revision, which a quorum has confirmed just before.
set -uf
etcd=/var/lib/etcd
made=$etcd/save
pki=/etc/kubernetes/pki/etcd

die() {
    rm -rf "$made"
    echo "$*" >&2
    exit 1
}

within() {
    crictl exec --sync "$container" etcdctl --endpoints=https://127.0.0.1:2379 --dial-timeout=60s --cacert=$pki/ca.crt \
        --cert=$pki/healthcheck-client.crt --key=$pki/healthcheck-client.key "$@"
}

rm -rf "$made"
container=$(static-container.sh etcd) || die "the container runtime does not say whether etcd runs"
[ -n "$container" ] || die "etcd does not run on this node"
# etcd itself must not run out of room by this.
needs=$(($(du -k $etcd/member/snap/db | cut -f 1) * 5 / 4 + 65536))
free=$(df -Pk $etcd | awk 'NR == 2 { print $4 }')
[ "$free" -gt "$needs" ] || die "the disk is too full: $((free / 1024)) MiB are free, $((needs / 1024)) MiB are needed for a snapshot"
told=$(within --command-timeout=60s endpoint health 2>&1) || die "etcd has no quorum: $(echo "$told" | tail -n 1)"
mkdir -m 700 "$made" || die "there is no room for a snapshot"
told=$(within snapshot save $made/snapshot.db 2>&1) || die "etcd gives no snapshot: $(echo "$told" | tail -n 1)"
etcdutl --write-out=json snapshot status $made/snapshot.db || die "the snapshot is damaged"
