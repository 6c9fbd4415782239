#!/bin/sh
# control.sh [PORT]: the node's side of kubeiso's own line into it, a virtio port of the name kubeiso.control; a node without one
# needs none. Lines from there: "hello TOKEN" begins anew; a command in base64 runs, "+" before a further part of it; "!" ends
# what runs, as does the end of the line. A command's output comes between the lines "TOKEN begin" and "TOKEN end CODE".
set -u
# shellcheck source=/dev/null
[ ! -f /etc/profile.d/kubeiso.sh ] || . /etc/profile.d/kubeiso.sh

find_port() {
    for name in /sys/class/virtio-ports/*/name; do
        if [ "$(cat "$name" 2>/dev/null)" = kubeiso.control ]; then
            name=${name%/name}
            echo "/dev/${name##*/}"
        fi
    done
}

# A session of its own, so that all of it can be ended. $1: token, $2: command in base64.
# shellcheck disable=SC2016 # for the shell within
answer='printf "\n%s begin\n" "$1"; sh -c "$(echo "$2" | base64 -d)" </dev/null 2>&1; printf "\n%s end %s\n" "$1" "$?"'
start() {
    setsid sh -c "$answer" sh "$token" "$1" >&3 2>&1 3>&- &
    job=$!
}

# Whether the command has not ended. What one that did has left in the background is to stay.
runs() {
    [ -n "$job" ] && read -r _ _ state _ <"/proc/$job/stat" && [ "$state" != Z ]
} 2>/dev/null

stop() {
    runs || return 0
    for signal in TERM KILL; do
        kill -s "$signal" -- "-$job" 2>/dev/null || break
        for _ in 1 2 3 4 5 6 7 8 9 10; do
            kill -s 0 -- "-$job" 2>/dev/null || break
            sleep 0.2
        done
    done
}

port=${1:-$(find_port)}
[ -n "$port" ] || exit 0
exec 3<>"$port" || exit 1
cd || exit 1
token='' job='' command=''
while :; do
    while IFS= read -r line <&3; do
        case $line in
        "hello "*)
            stop
            token=${line#hello } command=''
            printf '\n%s hello\n' "$token" >&3
            ;;
        "!") stop ;;
        "+"*) command=$command${line#+} ;;
        ?*)
            start "$command$line"
            command=''
            ;;
        esac
    done
    stop # nobody is at the other end
    sleep 1
done
