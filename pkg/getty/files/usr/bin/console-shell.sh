#!/bin/sh
# One session on a console.
export ENV=/etc/profile.d/kubeiso.sh HOME=/root TERM="${TERM:-vt100}"
cd /root || exit 1
printf '\r\nWelcome to kubeiso (LinuxKit)\r\n'
exec sh -i
