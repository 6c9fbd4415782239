#!/bin/sh
# dhcpcd.sh [OPTION...]: the DHCP client, on every card but those that the node's metadata gave their addresses, and on what they made
# of cards (a bond, a VLAN) where they say so; for IPv6 on those alone of which they say how. A card has a device; what pods and their
# networks make has none, whatever its name. One that comes later is known by the names that the kernel gives.
# With -1 it ends once there is an address; what a network without a router or a resolver lacks is mended then for those other cards, too.
set -eu
sys=${SYS:-/sys}
config=${CONFIG:-/run/config}

cards=
for device in "$sys"/class/net/*/device; do
    card=${device%/device}
    if [ -e "$device" ] && [ ! -e "$config/network/static/${card##*/}" ]; then
        cards="$cards ${card##*/}"
    fi
done
for file in "$config"/network/dhcp/*; do
    if [ -e "$file" ]; then
        cards="$cards ${file##*/}"
    fi
done

# A card tells of its cable a moment after it was switched on, and dhcpcd -1 would end before that.
await_cable() {
    carriers=
    for card in $cards; do
        ip link set "$card" up || true
        carriers="$carriers $sys/class/net/$card/carrier"
    done
    tries=30
    # shellcheck disable=SC2086 # separate words
    until [ -z "$carriers" ] || [ "$tries" -eq 0 ] || grep -qsx 1 $carriers; do
        sleep 0.1
        tries=$((tries - 1))
    done
}

# What the client does for IPv6 on an interface (dhcpcd.conf(5)), and not for IPv4 where the metadata gave that.
six() { # WORD INTERFACE
    echo "interface $2"
    case $1 in
    dhcp) printf 'ipv6rs\nia_na\n' ;;
    slaac) printf 'ipv6rs\nnodhcp6\n' ;;
    dhcp-only) printf 'dhcp6\nia_na\n' ;;
    esac
    [ ! -e "$config/network/static/$2" ] || echo noipv4
}
own=${OWN:-/run/dhcpcd.conf}
cat "${CONF:-/dhcpcd.conf}" >"$own"
for file in "$config"/network/ipv6/*; do
    if [ -e "$file" ]; then
        six "$(cat "$file")" "${file##*/}" >>"$own"
        cards="$cards ${file##*/}"
    fi
done

once='' given=''
if [ "${1:-}" = -1 ]; then
    once=yes
    await_cable
fi
# Of cards that come later the kernel's own names alone: pod networks call theirs eni0123abcd, or by the pod, such as ethics-3f2a1b.
for kind in eth wlan wwan ib usb; do
    set -- -z "${kind}[0-9]" -z "${kind}[0-9][0-9]" "$@"
done
for card in $cards; do
    set -- -z "$card" "$@"
done
for file in "$config"/network/static/*; do
    if [ -e "$file" ]; then
        given="$given ${file##*/}"
        [ -e "$config/network/ipv6/${file##*/}" ] || set -- -Z "${file##*/}" "$@"
    fi
done
if [ -z "$once" ]; then
    exec "${DHCPCD:-/usr/sbin/dhcpcd}" --nobackground -f "$own" "$@"
fi
code=0
"${DHCPCD:-/usr/sbin/dhcpcd}" --nobackground -f "$own" "$@" || code=$?
# shellcheck source=/dev/null
. "${OFFLINE:-/usr/lib/kubeiso/offline.sh}"
for interface in $given; do
    offline_route "$interface"
done
offline_resolver
exit "$code"
