#!/bin/sh
# chrony.sh: keeps the clock with the time servers, and takes those that come and go with the network.
set -u
servers() { cat /run/ntp/*.sources 2>/dev/null; } # all others stay as they are

chmod 0750 /run/chrony # else chronyd takes no orders there
known=$(servers)
chronyd -d -f /etc/chrony.conf &
daemon=$!
trap 'kill "$daemon"' TERM INT
while kill -0 "$daemon" 2>/dev/null; do
    sleep 30 &
    wait $! # a signal does not wait for the sleep's end
    now=$(servers)
    if [ "$now" != "$known" ] && chronyc -n reload sources; then
        known=$now
    fi
done
wait "$daemon"
