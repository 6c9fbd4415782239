#!/bin/sh
# clock.sh: a clock from before this node's kernel was made is wrong for sure (an empty battery, a new machine), and certificates made
# then end before they begin. It is set by a time server, or else put at the kernel's day. Its one line tells what became of it.
set -u
# "... #1 SMP PREEMPT_DYNAMIC Debian 6.12.48-1 (2025-09-20)", or "... #1 SMP PREEMPT_DYNAMIC Thu Nov 27 08:50:55 UTC 2025".
made() {
    day=$(sed -n 's/.*(\([0-9]\{4\}-[0-9][0-9]-[0-9][0-9]\))$/\1/p' "$1")
    if [ -n "$day" ]; then
        date -u -d "$day" +%s
        return
    fi
    day=$(sed -n 's/.* \([A-Z][a-z][a-z] *[0-9]* [0-9:]\{8\}\) [A-Z]* \([0-9]\{4\}\)$/\1 \2/p' "$1")
    [ -n "$day" ] && date -u -D '%b %d %H:%M:%S %Y' -d "$day" +%s
}
# Whether a time server set the clock in time. `chronyd -q` gives up after some seconds, and a network may come later.
asked() {
    chronyd -d -f /etc/chrony.conf &
    daemon=$!
    left=${PATIENCE:-60}
    while [ "$left" -gt 0 ] && kill -0 "$daemon" 2>/dev/null && [ "$(date +%s)" -lt "$floor" ]; do
        sleep 1
        left=$((left - 1))
    done
    kill "$daemon" 2>/dev/null
    wait "$daemon"
    [ "$(date +%s)" -ge "$floor" ]
}
said() { date -u '+%Y-%m-%d %H:%M:%S UTC'; }

floor=$(made "${VERSION_FILE:-/proc/version}") || floor=0
if [ "$(date +%s)" -ge "$floor" ]; then
    echo "the clock says $(said)"
    exit 0
fi
before=$(said)
if asked; then
    echo "the clock said $before; time servers set it to $(said)"
    exit 0
fi
date -u -s "@$floor" >/dev/null || exit
echo "the clock said $before, and no time server answered: it starts at $(said), when this node's kernel was made;" \
    "next: set the machine's clock in its firmware, or name time servers that it reaches (recipe: time, DHCP: option 42)"
