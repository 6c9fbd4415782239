#!/bin/sh
# instance.sh files|boot|before|after: what a node's metadata want of it besides its configuration (pkg/metadata/commands.go): files in
# their places, commands of each boot, and commands once for an instance, before and after the node is a member of its cluster.
# As with cloud-init, an instance is what has the same instance-id. What a power cut ends is begun anew.
set -u
given=${GIVEN:-/run/config/instance}
root=${ROOT:-}
done=$root/var/lib/kubeiso/instance
log=/var/log/commands.log
[ -f "$given/id" ] || exit 0
if ! cmp -s "$given/id" "$done/id"; then
    rm -rf "$done"
    mkdir -p "$done"
    cp "$given/id" "$done/id"
fi

# Made aside and renamed, with the mode that it was given.
place() { # CONTENT TARGET
    mkdir -p "$(dirname "$2")" && cp -p "$1" "$2.new-from-metadata" && mv -f "$2.new-from-metadata" "$2"
}

# What was there before is kept, so that an end in the middle appends nothing twice.
append() { # NAME
    kept=$done/append/$1
    if [ ! -e "$kept" ]; then
        mkdir -p "$(dirname "$kept")"
        if [ -e "$root/$1" ]; then cp -p "$root/$1" "$kept.new"; else cp -p "$given/append/$1" "$kept.new" && : >"$kept.new"; fi
        sync
        mv "$kept.new" "$kept"
    fi
    cp -p "$kept" "$kept.whole" && cat "$given/append/$1" >>"$kept.whole" && place "$kept.whole" "$root/$1"
}

names() { # FOLDER
    [ ! -d "$given/$1" ] || (cd "$given/$1" && find . -type f | sed 's|^\./||')
}

files() {
    names files | while IFS= read -r name; do
        case $name in
        run/* | etc/cni/*) ;; # forgotten with each boot
        *) [ ! -e "$done/files" ] || continue ;;
        esac
        place "$given/files/$name" "$root/$name" || echo "instance.sh: /$name could not be written" >&2
    done
    if [ ! -e "$done/files" ]; then
        names append | while IFS= read -r name; do
            append "$name" || echo "instance.sh: /$name could not be written" >&2
        done
        sync
        : >"$done/files"
        rm -rf "$done/append"
        sync
    fi
}

# The script's output may be secret, as the commands are.
run() { # NAME
    { echo "=== $(date -u +%Y-%m-%dT%H:%M:%SZ) commands: $1" && sh "$given/$1"; echo "$?" >"$done/code"; } 2>&1 | logfile "$log"
    code=$(cat "$done/code")
    rm -f "$done/code"
    [ "$code" = 0 ] || {
        echo "instance.sh: the metadata's commands ($1) ended with exit code $code, see $log" >&2
        service report commands "$1" failed "exit code $code, see $log" || true
    }
}

case $1 in
files) files ;;
boot)
    began=$root/run/instance-boot
    if [ -f "$given/boot" ] && [ ! -e "$began" ]; then
        : >"$began"
        run boot
    fi
    ;;
*)
    if [ -f "$given/$1" ] && [ ! -e "$done/$1" ]; then
        run "$1"
        : >"$done/$1"
        sync
    fi
    ;;
esac
