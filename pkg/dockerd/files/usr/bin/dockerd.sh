#!/bin/sh
# dockerd.sh: Docker's daemon, in the mount namespace of the node's first process, with the OCI runtimes that handlers add: a file for
# each below the node's /etc/docker/runtimes, whose name is the runtime's and whose text is the path of its program.
# What it reaches registries by is in the node's own environment.d.
set -eu
set -a
for file in "${ENVIRONMENT:-/proc/1/root/etc/environment.d}"/*.conf; do
    # shellcheck source=/dev/null
    [ ! -f "$file" ] || . "$file"
done
set +a
for file in "${RUNTIMES:-/proc/1/root/etc/docker/runtimes}"/*; do
    if [ -e "$file" ]; then set -- "$@" --add-runtime "${file##*/}=$(cat "$file")"; fi
done
exec "${NSENTER:-/usr/bin/nsenter}" -t 1 -m -- /usr/bin/dockerd "$@"
