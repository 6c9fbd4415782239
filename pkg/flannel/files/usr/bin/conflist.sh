#!/bin/sh
# conflist.sh TEMPLATE TARGET: once flanneld has written down what range this node has, makes CNI's configuration of it.
# flanneld's file is the container's own, so one of an earlier start can't be taken for this one's.
set -eu
template=$1
target=$2
known=/run/flannel/subnet.env
patience=${PATIENCE:-600} # seconds

end=$(($(date +%s) + patience))
until [ -s "$known" ]; do
    if [ "$(date +%s)" -ge "$end" ]; then
        echo "conflist.sh: flanneld has not written $known within $patience s" >&2
        exit 1
    fi
    sleep 1
done
# The file has FLANNEL_SUBNET=10.244.1.1/24, the bridge's address, and FLANNEL_MTU=1450.
# shellcheck source=/dev/null
. "$known"
network=$(ipcalc -n "$FLANNEL_SUBNET")
subnet=${network#NETWORK=}/${FLANNEL_SUBNET#*/}
# containerd looks again when a file in that folder was renamed.
aside=${target%/*}/.${target##*/}.new
sed -e "s|NODE_POD_SUBNET|$subnet|" -e "s|NODE_MTU|$FLANNEL_MTU|" "$template" >"$aside"
mv "$aside" "$target"
