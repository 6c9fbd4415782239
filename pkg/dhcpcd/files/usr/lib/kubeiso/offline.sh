# shellcheck shell=sh
# What makes a network without a router or a resolver enough for a cluster that downloads nothing.

# offline_route INTERFACE: a default route on the link lets the node itself reach Services' addresses, which exist only in packet rules,
# and lets kubeadm find the node's address. One without an address of its own leads nowhere, and would be in the way of the one that
# gets an address a moment later.
offline_route() {
    if [ -z "$(ip -4 route show default)" ] && [ -n "$(ip -4 addr show dev "$1" scope global)" ]; then
        ip -4 route add default dev "$1" metric 65000 || true
    fi
}

# CoreDNS refuses to start without a resolver to forward to. 192.0.2.1 is TEST-NET-1 (RFC 5737): nobody answers there, and the
# unreachable route lets a lookup fail at once instead of after seconds.
offline_resolver() {
    if ! grep -qs '^nameserver' "${RESOLV_CONF:-/etc/resolv.conf}"; then
        printf '# no resolver on this network\nnameserver 192.0.2.1\n' >>"${RESOLV_CONF:-/etc/resolv.conf}"
        ip -4 route replace unreachable 192.0.2.1/32 || true
    fi
}
