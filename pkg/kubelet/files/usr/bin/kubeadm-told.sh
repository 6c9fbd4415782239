#!/bin/sh
# kubeadm-told.sh, read by kubeadm-auto.sh and kubeadm-upgrade.sh: how attempts of kubeadm are logged, told, noted and repeated.
# me: the script; stage: of the node's console; run: a folder that is forgotten with each boot.
log=/var/log/kubeadm.log
first=${KUBEADM_PAUSE:-15} # seconds before the second attempt; each further pause is twice as long, up to 20 times this

# Says it on the node's console, as a stage.
tell() { # NAME STATE [ERROR]
    service report "${stage:?}" "$@" 2>/dev/null || true
}

# Runs a command with its output in the log, and gives its exit code. The arguments may be secret, so the log has a title instead.
logged() { # TITLE COMMAND...
    title=$1
    shift
    rm -f "${run:?}/code"
    { echo "=== $(date -u +%Y-%m-%dT%H:%M:%SZ) $title" && "$@"; echo "$?" >"$run/code"; } 2>&1 | logfile "$log"
    return "$(cat "$run/code" || echo 1)"
}

# The last attempt's cause: a failed check of kubeadm's preflight is told in a line of its own, before its error.
cause() {
    cat "$log.1" "$log" 2>/dev/null | awk '
        /^=== / { told = last = ""; next }
        /: preflight checks failed$/ { next }
        /^[ \t]*(\[ERROR |error: |Error from server|The .* is invalid: )/ { told = $0 }
        /[^ \t]/ { last = $0 }
        END { sub(/^[ \t]*/, "", told); print (told != "" ? told : last) }'
}

# Tells a failure, and waits.
again() { # NAME WHAT [WHY]
    pause=$(cat "$run/pause" 2>/dev/null || echo "$first")
    awk -v now="$pause" -v first="$first" 'BEGIN { print (2 * now < 20 * first) ? 2 * now : 20 * first }' >"$run/pause"
    why=${3:-$(cause)}
    echo "${me:?}: $2 failed, see $log; again in $pause s: $why"
    tell "$1" failed "$why" "again_in=$pause"
    sleep "$pause"
}

insist() { # NAME WHAT COMMAND...
    name=$1 what=$2
    shift 2
    until "$@"; do again "$name" "$what"; done
}

# Nothing but the rename changes what a power cut leaves: the content is on the disk before it.
replace() { # FILE, with what comes on standard input
    cat >"$1.new" && sync && mv "$1.new" "$1" && sync
}

# What comes next has its own first pause.
forget_pauses() { rm -f "$run/pause"; }
