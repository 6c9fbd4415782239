#!/bin/sh
# The SSH server. Host keys are made at the first start; where a disk holds /var they stay, and clients know the node again.
set -eu
keys=/var/lib/ssh
mkdir -p "$keys"
chmod 0700 "$keys"
for type in ed25519 ecdsa; do
    key=$keys/dropbear_${type}_host_key
    if [ ! -s "$key" ]; then
        rm -f "$key.new" "$key.new.pub"
        dropbearkey -t "$type" -f "$key.new" >/dev/null 2>&1
        rm -f "$key.new.pub"
        mv "$key.new" "$key"
        sync
    fi
done
# -F in the foreground, -E tells on stderr, -s no passwords.
exec dropbear -F -E -s -P /run/sshd.pid -p "${SSH_PORT:-22}" \
    -r "$keys/dropbear_ed25519_host_key" -r "$keys/dropbear_ecdsa_host_key"
