#!/bin/sh
# Makes CNI's configuration anew from the templates in /etc/pod-network, and loads the packet rules there.
# The node's range is in /run/config/pod-network/subnet where somebody gave it one, else in the image's own file.
set -eu
source=/etc/pod-network
given=/run/config/pod-network/subnet
target=/var/lib/cni/net.d

# /var/lib/cni is empty at each boot (pkg/state/stale.go): other networks' pods write theirs anew, too.
mkdir -p "$target"

[ -f "$given" ] || given=$source/subnet
subnet=
[ ! -f "$given" ] || subnet=$(cat "$given")
case $subnet in
*/[0-9]*) network=$(ipcalc -n "$subnet" 2>/dev/null) || network= ;;
*) network= ;;
esac
if [ -n "$subnet" ] && [ "$network" != "NETWORK=${subnet%/*}" ]; then
    echo "pod-network: $given: '$subnet' is no subnet such as 10.244.1.0/24" >&2
    exit 1
fi

for template in "$source"/*.conflist; do
    [ -f "$template" ] || continue
    if [ -z "$subnet" ]; then
        echo "pod-network: $template needs this node's range, and there is none in $given" >&2
        exit 1
    fi
    name=$(basename "$template")
    sed "s|NODE_POD_SUBNET|$subnet|" "$template" >"$target/.$name.new"
    mv "$target/.$name.new" "$target/$name"
    echo "pod-network: $name with $subnet"
done
sync

for rules in "$source"/*.nft; do
    if [ -f "$rules" ]; then
        nft -f "$rules"
        echo "pod-network: $(basename "$rules") loaded"
    fi
done
