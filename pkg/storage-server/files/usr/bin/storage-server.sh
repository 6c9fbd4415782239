#!/bin/sh
# storage-server.sh: the target iqn.2026-01.dev.kubeiso:disk with one disk of 64 MiB, and the folder /shared by NFS 4.
set -u
home=/var/lib/storage-server
mkdir -p /run/ganesha
[ -f "$home/disk" ] || truncate -s 64M "$home/disk"
tgtd -f &
target=$!
tries=0
until tgtadm --lld iscsi --mode target --op new --tid 1 --targetname iqn.2026-01.dev.kubeiso:disk; do
    tries=$((tries + 1))
    [ "$tries" -lt 30 ] || exit 1
    sleep 1
done
tgtadm --lld iscsi --mode logicalunit --op new --tid 1 --lun 1 --backing-store "$home/disk" || exit
tgtadm --lld iscsi --mode target --op bind --tid 1 --initiator-address ALL || exit
trap 'kill "$target" "$files"' TERM INT
ganesha.nfsd -F -f /etc/ganesha.conf -L /dev/stderr -p /run/ganesha.pid &
files=$!
wait "$files"
wait "$target"
