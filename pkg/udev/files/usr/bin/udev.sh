#!/bin/sh
# udev.sh: udevd, and what was there before it; it is told of the rest by the kernel.
set -u
/usr/lib/systemd/systemd-udevd --resolve-names=never &
daemon=$!
trap 'kill "$daemon"' TERM INT
tries=0
until udevadm control --ping --timeout=5 2>/dev/null; do
    tries=$((tries + 1))
    if [ "$tries" -gt 60 ] || ! kill -0 "$daemon" 2>/dev/null; then
        echo "udev.sh: udevd does not answer"
        kill "$daemon" 2>/dev/null
        wait "$daemon"
        exit 1
    fi
    sleep 1
done
udevadm trigger --action=add --subsystem-match=block
wait "$daemon"
