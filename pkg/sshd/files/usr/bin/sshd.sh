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

# Who may log in: root, and those that have a folder of their name, of the image's or of the node's metadata, with the files uid
# (0: root's rights) and authorized_keys. dropbear reads one file of keys for each, in the user's home.
image=${SSH_USERS:-/hostroot/etc/ssh/users} metadata=${SSH_METADATA:-/run/config/users}
homes=${SSH_HOMES:-/run/sshd/home} etc=${SSH_ETC:-/etc}

home() { # NAME UID PATH FILES: whose keys are in the files that there are
    mkdir -p "$3/.ssh"
    for file in "$4" "$5"; do
        if [ -f "$file" ]; then
            cat "$file"
            echo
        fi
    done >"$3/.ssh/authorized_keys"
    chmod 0700 "$3" "$3/.ssh"
    chmod 0600 "$3/.ssh/authorized_keys"
    chown -R "$2:$2" "$3"
}

user() { # NAME UID
    home "$1" "$2" "$homes/$1" "$image/$1/authorized_keys" "$metadata/$1/authorized_keys"
    echo "$1:x:$2:$2::$homes/$1:/bin/sh" >>"$etc/passwd"
    [ "$2" = 0 ] || echo "$1:x:$2:" >>"$etc/group"
}

umask 022
rm -rf "$homes"
mkdir -p "$homes"
home root 0 "$homes/root" /root/.ssh/authorized_keys /run/config/ssh/authorized_keys
echo "root:x:0:0:root:$homes/root:/bin/sh" >"$etc/passwd"
echo root:x:0: >"$etc/group"
{
    ls "$image" 2>/dev/null || :
    ls "$metadata" 2>/dev/null || :
} | sort -u | while read -r name; do
    for folder in "$image" "$metadata"; do
        if [ -f "$folder/$name/uid" ]; then
            user "$name" "$(cat "$folder/$name/uid")"
            break
        fi
    done
done
# -F in the foreground, -E tells on stderr, -s no passwords.
exec dropbear -F -E -s -P /run/sshd.pid -p "${SSH_PORT:-22}" \
    -r "$keys/dropbear_ed25519_host_key" -r "$keys/dropbear_ecdsa_host_key"
