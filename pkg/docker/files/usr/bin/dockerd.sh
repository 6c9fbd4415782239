#!/bin/sh
# dockerd.sh: Docker's daemon with the OCI runtimes that handlers add: a file for each below /etc/docker/runtimes, whose name is the
# runtime's and whose text is the path of its program.
set -eu
for file in "${RUNTIMES:-/etc/docker/runtimes}"/*; do
    if [ -e "$file" ]; then set -- "$@" --add-runtime "${file##*/}=$(cat "$file")"; fi
done
exec "${DOCKERD:-/usr/bin/dockerd}" "$@"
