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
# The keys of the image and those that the node's metadata brought, since dropbear reads one file.
allowed=/run/sshd
mkdir -p "$allowed"
chmod 0700 "$allowed"
(
    umask 077
    for file in /root/.ssh/authorized_keys /run/config/ssh/authorized_keys; do
        if [ -f "$file" ]; then
            cat "$file"
            echo
        fi
    done >"$allowed/authorized_keys"
)
# -F in the foreground, -E tells on stderr, -s no passwords.
exec dropbear -F -E -s -D "$allowed" -P /run/sshd.pid -p "${SSH_PORT:-22}" \
    -r "$keys/dropbear_ed25519_host_key" -r "$keys/dropbear_ecdsa_host_key"
