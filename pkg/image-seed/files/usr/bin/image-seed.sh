#!/bin/sh
# image-seed.sh [SOURCE [ROOT]]: fills containerd's root with the unpacked images of SOURCE. containerd must not run yet.
# The databases are copied, since containerd writes them. The snapshots are linked to: they never change. A root that was
# filled from the same SOURCE is left alone; one from another (the node runs a new image) is filled anew, which also
# forgets its containers: none runs this early, and the kubelet makes them again.
set -eu
umask 077
source=${1:-/usr/share/kubeiso/containerd}
root=${2:-/var/lib/containerd}
metadata=io.containerd.metadata.v1.bolt
content=io.containerd.content.v1.content
snapshotter=io.containerd.snapshotter.v1.overlayfs
mark=$root/kubeiso-images

id=$(cat "$source/id")
if [ -f "$mark" ] && [ "$(cat "$mark")" = "$id" ]; then
    echo "image-seed: the images are in place"
    exit 0
fi
rm -rf "$mark" "${root:?}/$metadata" "${root:?}/$content" "${root:?}/$snapshotter"
mkdir -p "$root/$snapshotter/snapshots"
cp -R "$source/$metadata" "$source/$content" "$root/"
cp "$source/$snapshotter/metadata.db" "$root/$snapshotter/"
ln -s "$source/$snapshotter/snapshots/"* "$root/$snapshotter/snapshots/"
sync
echo "$id" >"$mark.new"
mv "$mark.new" "$mark"
sync
echo "image-seed: images put in place: $id"
