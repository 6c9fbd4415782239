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

# Who may log in: root, and those who have a file of their name with their keys, the image's or the node's metadata's. All have
# root's number; the log tells their names. dropbear reads the keys in each one's home.
image=/hostroot/etc/ssh/users metadata=/run/config/users homes=/run/sshd/home

home() { # NAME FILES: whose keys are in those files that there are
    mkdir -p "$homes/$1/.ssh"
    for file in "$2" "$3"; do
        if [ -f "$file" ]; then
            cat "$file"
            echo
        fi
    done >"$homes/$1/.ssh/authorized_keys"
    echo "$1:x:0:0::$homes/$1:/bin/sh" >>/etc/passwd
}

umask 077
rm -rf "$homes"
mkdir -p "$homes"
: >/etc/passwd
home root /root/.ssh/authorized_keys /run/config/ssh/authorized_keys
for folder in "$image" "$metadata"; do
    [ ! -d "$folder" ] || ls "$folder"
done | sort -u | while read -r name; do
    case $name in
    root | [!a-z_]* | *[!a-z0-9_-]*) echo "sshd.sh: $name is no name of a user, and does not log in" >&2 ;;
    *) home "$name" "$image/$name" "$metadata/$name" ;;
    esac
done
chmod 0644 /etc/passwd
umask 022
# -F in the foreground, -E tells on stderr, -s no passwords.
exec dropbear -F -E -s -P /run/sshd.pid -p "${SSH_PORT:-22}" \
    -r "$keys/dropbear_ed25519_host_key" -r "$keys/dropbear_ecdsa_host_key"
