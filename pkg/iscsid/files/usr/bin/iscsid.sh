#!/bin/sh
# iscsid.sh: iscsid under a name that the node keeps. A name that was cut short by a power cut is made anew.
set -u
file=/var/lib/iscsi/initiatorname
case $(cat "$file" 2>/dev/null) in
InitiatorName=iqn.*:?*) ;;
*)
    echo "InitiatorName=$(iscsi-iname -p iqn.2026-01.dev.kubeiso)" >"$file.new" || exit
    mv "$file.new" "$file" || exit
    ;;
esac
cat "$file"
mkdir -p /run/lock/iscsi
exec iscsid -f
