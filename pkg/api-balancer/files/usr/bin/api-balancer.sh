#!/bin/sh
# HAProxy before the API servers of several masters: 127.0.0.1:7443 on each node leads to one that is ready, so a node loses its
# cluster only with the last master. The masters are lines of HOST:PORT in /run/config/api-balancer/masters.
set -eu
masters=${1:-/run/config/api-balancer/masters}
place=/run/api-balancer
mkdir -p "$place"

# Watches are quiet for many minutes: kubelets and controllers renew them after 5 to 10, hence an hour of patience.
# A health check is a TLS handshake: rare enough to cost an emulated node little. Until it finds a loss, each connection that fails
# is tried again elsewhere at once.
cat >"$place/haproxy.cfg.new" <<END
global
    log stderr format raw daemon notice
    maxconn 2000
defaults
    mode tcp
    log global
    option dontlognull
    option redispatch 1
    retries 3
    timeout connect 5s
    timeout client 1h
    timeout server 1h
    timeout check 30s
frontend api
    bind ${API_BALANCER:-127.0.0.1:7443}
    default_backend masters
backend masters
    option httpchk
    http-check send meth GET uri /readyz ver HTTP/1.1 hdr Host kubernetes
    http-check expect status 200
    default-server check check-ssl verify none inter 10s fastinter 2s fall 2 rise 1 on-marked-down shutdown-sessions
END
number=0
while read -r address; do
    number=$((number + 1))
    echo "    server master-$number $address"
done <"$masters" >>"$place/haproxy.cfg.new"
if [ "$number" = 0 ]; then
    echo "api-balancer.sh: $masters names no master" >&2
    exit 1
fi
mv "$place/haproxy.cfg.new" "$place/haproxy.cfg"
echo "api-balancer.sh: $number masters" >&2
exec haproxy -db -f "$place/haproxy.cfg"
