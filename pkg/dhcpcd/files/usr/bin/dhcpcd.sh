#!/bin/sh
# dhcpcd.sh [OPTION...]: the DHCP client, on every interface but those that the node's metadata gave their addresses.
set -eu
for file in /run/config/network/static/*; do
    if [ -e "$file" ]; then
        set -- -Z "${file##*/}" "$@"
    fi
done
exec /usr/sbin/dhcpcd --nobackground -f /dhcpcd.conf "$@"
