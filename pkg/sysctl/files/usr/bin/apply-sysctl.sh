#!/bin/sh
# Applies every file of /etc/sysctl.d in the order of their names. A key that the kernel does not take keeps no node from its boot:
# the last line, which is the step's note on the console, names them all.
set -uf
folder=${1:-/etc/sysctl.d}
mount -o remount,rw /proc/sys 2>/dev/null || true

trimmed() {
    # shellcheck disable=SC2086
    set -- $1
    echo "$*"
}

refused=''
apply() {
    while IFS= read -r line || [ -n "$line" ]; do
        line=$(trimmed "$line")
        case $line in
        '' | '#'* | ';'*) continue ;;
        esac
        key=$(trimmed "${line%%=*}")
        if ! said=$(sysctl -q -w "$key=$(trimmed "${line#*=}")" 2>&1); then
            echo "$1: $line: $said" >&2
            refused="$refused $key"
        fi
    done <"$1"
}

set +f
for file in "$folder"/*.conf; do
    set -f
    [ ! -e "$file" ] || apply "$file"
done
[ -z "$refused" ] || echo "the kernel does not take:$refused"
