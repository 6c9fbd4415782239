#!/bin/sh
# kubelet-reserved.sh CONFIG FOLDER: reserves for the node itself, by the size of its memory, what its own programs need, in a file of
# FOLDER that the kubelet reads after CONFIG. What CONFIG says of systemReserved itself is left as it is.
# A tenth of the memory, and from 128 MiB to 1 GiB; an eighth more where /var is in memory, which images that are pulled fill; a tenth of
# a processor where there is more than one.
set -eu
config=$1
folder=$2
meminfo=${3:-/proc/meminfo}
mounts=${4:-/proc/1/mounts} # the node's own
mkdir -p "$folder"
file=$folder/10-reserved.conf
if grep -q '^systemReserved:' "$config"; then
    rm -f "$file"
    exit
fi
part=0
! grep -q '^[^ ]* /var tmpfs ' "$mounts" || part=8
memory=$(awk -v part="$part" '/^MemTotal:/ { m = int($2 / 10240); m = m < 128 ? 128 : m > 1024 ? 1024 : m
    print m + (part ? int($2 / 1024 / part) : 0) }' "$meminfo")
{
    echo "apiVersion: kubelet.config.k8s.io/v1beta1"
    echo "kind: KubeletConfiguration"
    echo "systemReserved:"
    echo "  memory: ${memory}Mi"
    echo "  pid: \"1000\""
    [ "$(nproc)" = 1 ] || echo "  cpu: 100m"
} >"$file.new"
mv "$file.new" "$file"
