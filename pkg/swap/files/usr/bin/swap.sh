#!/bin/sh
# swap.sh BYTES: swaps to a file of that size in /var, if that is a disk. A file of another size, or one that a power cut left half made,
# is made anew; the state of a node is worth more than its swap, so a disk without room for it goes without.
set -u
size=$1
file=${FILE:-/var/swap}
kind=none
while read -r _ target type _; do
    [ "$target" != "${file%/*}" ] || kind=$type
done <"${MOUNTS:-/proc/mounts}"
if [ "$kind" != ext4 ]; then
    echo "no swap: the node has no state disk"
    exit 0
fi
rm -f "$file.new"
if [ "$(stat -c %s "$file" 2>/dev/null)" != "$size" ]; then
    rm -f "$file"
    if ! fallocate -l "$size" "$file.new"; then
        rm -f "$file.new"
        echo "no swap: no room on the state disk for $size bytes"
        exit 1
    fi
    chmod 0600 "$file.new"
    mkswap "$file.new" >/dev/null && sync && mv "$file.new" "$file" && sync || exit
fi
swapon "$file" || {
    rm -f "$file" # damaged: the next boot makes it anew
    exit 1
}
echo "$size bytes"
