#!/bin/sh
# Applies every file of /etc/sysctl.d in the order of their names; a key that the kernel refuses fails the step.
set -e
mount -o remount,rw /proc/sys 2>/dev/null || true
for file in /etc/sysctl.d/*.conf; do
    [ -e "$file" ] || continue
    sysctl -q -p "$file"
done
