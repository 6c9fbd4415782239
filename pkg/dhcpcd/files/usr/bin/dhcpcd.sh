#!/bin/sh
# dhcpcd.sh [OPTION...]: the DHCP client, on every card but those that the node's metadata gave their addresses. A card has a device;
# what pods and their networks make has none, whatever its name. One that comes later is known by the names that the kernel gives.
set -eu
sys=${SYS:-/sys}
config=${CONFIG:-/run/config}
set -- -z 'eth*' -z 'en*' -z 'wl*' -z 'ww*' -z 'ib*' -z 'usb*' "$@"
for device in "$sys"/class/net/*/device; do
    if [ -e "$device" ]; then
        card=${device%/device}
        set -- -z "${card##*/}" "$@"
    fi
done
for file in "$config"/network/static/*; do
    if [ -e "$file" ]; then
        set -- -Z "${file##*/}" "$@"
    fi
done
exec "${DHCPCD:-/usr/sbin/dhcpcd}" --nobackground -f /dhcpcd.conf "$@"
