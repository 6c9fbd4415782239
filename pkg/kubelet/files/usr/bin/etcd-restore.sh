#!/bin/sh
# etcd-restore.sh VERB: puts a snapshot in the place of what this master's etcd has, in two steps, so that all masters can do it
# together. The old data is moved aside, and never deleted.
#   prepare SHA256 KIB REVISION NAME URL CLUSTER TOKEN
#             makes the member's new data of restore/snapshot.db.gz, beside the old. KIB: the snapshot's size. The new revision is
#             beyond REVISION, so that nobody takes what they saw before for newer. The others are etcdutl's.
#   switch    begins to put the new data in the old one's place, and ends at once. From here on it goes forward alone, also after
#             a power cut (`resume`), unless the control plane does not stop: then all is as it was
#   resume    goes on with a switch that was interrupted; the kubelet's service does so when it starts
#   standing  says where it stands: idle, prepared, switching, or "failed: REASON"
#   forget    removes what was prepared
set -uf
etcd=/var/lib/etcd
work=$etcd/restore
manifests=/etc/kubernetes/manifests
apart=/etc/kubernetes/manifests-restore
log=/var/log/etcd-restore.log
lock=/run/certificates/lock # who changes static pods
patience=${ETCD_RESTORE_PATIENCE:-900} # seconds: an emulated API server takes minutes to end

die() {
    echo "$*" >&2
    exit 1
}

# Of a first part for which nothing was touched.
unprepared() {
    rm -rf "$work"
    die "$*"
}

# A word of etcdutl's JSON.
field() {
    echo "$status" | sed -n "s/.*\"$1\":\"\{0,1\}\([^,\"}]*\).*/\1/p"
}

prepare() { # SHA256 KIB REVISION NAME URL CLUSTER TOKEN
    [ ! -e "$work/switch" ] || die "another restore is under way on this node"
    [ -e "$manifests/etcd.yaml" ] || unprepared "this node has no etcd of its own ($manifests/etcd.yaml)"
    rm -rf "$work/data" "$work/snapshot.db" "$work/failed"
    needs=$(($2 * 3 + 65536))
    free=$(df -Pk "$etcd" | awk 'NR == 2 { print $4 }')
    [ "$free" -gt "$needs" ] || unprepared "the disk is too full: $((free / 1024)) MiB are free, $((needs / 1024)) MiB are needed"
    gunzip "$work/snapshot.db.gz" || unprepared "the snapshot did not arrive whole"
    case $(sha256sum <"$work/snapshot.db") in "$1 "*) ;; *) unprepared "the snapshot arrived damaged" ;; esac
    status=$(etcdutl --write-out=json snapshot status "$work/snapshot.db" 2>&1) ||
        unprepared "etcdutl does not take the snapshot: $(echo "$status" | tail -n 1)"
    known=$(etcdutl version | sed -n 's/^etcdutl version: //p') made=$(field version)
    newer=$(printf '%s\n' "${made:-0}" "$known" | sort -V | tail -n 1)
    [ "$newer" = "$known" ] || unprepared "the snapshot is of etcd $made, this node has $known"
    had=$(field revision)
    told=$(etcdutl snapshot restore "$work/snapshot.db" --data-dir "$work/data" --name "$4" --initial-advertise-peer-urls "$5" \
        --initial-cluster "$6" --initial-cluster-token "$7" --mark-compacted \
        --bump-revision "$((($3 > had ? $3 - had : 0) + 1000000000))" 2>&1) ||
        unprepared "etcdutl does not restore the snapshot: $(echo "$told" | tail -n 1)"
    rm -f "$work/snapshot.db"
    sync
    echo "$status"
}

switch() {
    [ -d "$work/data/member" ] || die "nothing is prepared on this node"
    [ ! -e "$work/switch" ] || die "another restore is under way on this node"
    # Nothing but the rename changes what a power cut leaves: the text is on the disk before it.
    if ! { date -u +before-%Y-%m-%d-%H-%M-%S >"$work/switch.new" && sync && mv "$work/switch.new" "$work/switch" && sync; }; then
        die "the disk takes nothing"
    fi
    go_on
}

# In the background, with nothing left open of who began it.
go_on() {
    {
        exec </dev/null >>"$log" 2>&1
        finish
    } &
}

finish() {
    mkdir -p "${lock%/*}"
    exec 8>>"$lock"
    flock 8
    before=$(cat "$work/switch")
    echo "=== $(date -u +%Y-%m-%dT%H:%M:%SZ) $before"
    service report etcd restore start 2>/dev/null || true
    if [ -d "$work/data/member" ]; then
        part="a manifest"
        if ! { put_apart && stopped; }; then
            failed "$part did not end within $patience s"
            return
        fi
        if ! exchange; then
            failed "the disk takes nothing"
            return
        fi
    fi
    put_back
    rm -rf "$work"
    service report etcd restore ok "" "note=the data before it: $etcd/$before" 2>/dev/null || true
}

failed() { # REASON
    [ -e "$etcd/member" ] || [ ! -e "$etcd/$before/member" ] || mv "$etcd/$before/member" "$etcd/member"
    put_back
    echo "$1" >"$work/failed"
    rm -f "$work/switch"
    sync
    rm -rf "$work/data"
    echo "$1"
    service report etcd restore failed "$1; the data is as it was" 2>/dev/null || true
}

put_apart() {
    mkdir -p "$apart" || return
    for part in kube-scheduler kube-controller-manager kube-apiserver etcd; do
        [ ! -e "$manifests/$part.yaml" ] || mv "$manifests/$part.yaml" "$apart/$part.yaml" || return
    done
    sync
}

put_back() {
    for part in etcd kube-apiserver kube-controller-manager kube-scheduler; do
        [ ! -e "$apart/$part.yaml" ] || mv "$apart/$part.yaml" "$manifests/$part.yaml"
    done
    rmdir "$apart" 2>/dev/null
    sync
}

# Whether the control plane has ended, within the time that it has for that; `part` is what has not.
stopped() {
    left=$patience
    for part in kube-scheduler kube-controller-manager kube-apiserver etcd; do
        until running=$(static-container.sh "$part") && [ -z "$running" ]; do
            left=$((left - 1))
            [ "$left" -gt 0 ] || return
            sleep 1
        done
    done
}

# At each moment there is the old data or the new one in its place, or the old one in `before` and the new one prepared.
exchange() {
    mkdir -p "$etcd/$before" || return
    if [ -e "$etcd/member" ]; then
        mv "$etcd/member" "$etcd/$before/member" || return
        sync
    fi
    mv "$work/data/member" "$etcd/member" || return
    sync
}

resume() {
    if [ -e "$work/switch" ]; then
        echo "etcd-restore.sh: a restore goes on that was interrupted, see $log"
        go_on
    fi
}

standing() {
    if [ -e "$work/switch" ]; then
        echo switching
    elif [ -e "$work/failed" ]; then
        echo "failed: $(cat "$work/failed")"
    elif [ -d "$work/data/member" ]; then
        echo prepared
    else
        echo idle
    fi
}

forget() {
    [ ! -e "$work/switch" ] || die "a restore is under way on this node"
    rm -rf "$work"
}

[ "$#" -gt 0 ] || set -- none
verb=$1
shift
case $verb in
prepare | switch | resume | standing | forget) "$verb" "$@" ;;
*) die "usage: etcd-restore.sh prepare|switch|resume|standing|forget" ;;
esac
