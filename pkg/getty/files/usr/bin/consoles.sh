#!/bin/sh
# Keeps a root shell on each console= of the kernel command line whose device is there, and kubeiso's own line into the node. Where the
# node shows its status page, which is on the screen's first terminal, the screen's shell is on the second one.
export ENV=/etc/profile.d/kubeiso.sh HOME=/root
serve() {
    while :; do
        setsid sh -c "exec getty -n -l /usr/bin/console-shell.sh -L 0 '$1' vt100"
        sleep 1
    done
}

# Side by side as parts of a pipeline, through which nothing goes: all that a shell starts with & is deaf to Ctrl-C for ever
# (POSIX, "Signals and Error Handling" of the shell).
serve_all() {
    if [ "$#" -gt 1 ]; then
        # shellcheck disable=SC2259 # nothing is to go through
        { serve "$1" >&2; } | { shift && serve_all "$@" </dev/null; }
    elif [ "$#" -eq 1 ]; then
        serve "$1"
    fi
}

read -r words </proc/cmdline
devices='' page=${PAGE:-/run/kubeiso/screen}
if [ -e "$page" ]; then devices=' tty2'; fi
for word in $words; do
    device=${word#console=}
    device=${device%%,*}
    if [ -e "$page" ] && { [ "$device" = tty0 ] || [ "$device" = tty1 ]; }; then continue; fi
    if [ "$word" != "${word#console=}" ] && [ -c "/dev/$device" ]; then devices="$devices $device"; fi
done
# shellcheck disable=SC2086,SC2259 # names without blanks; nothing is to go through
{ until control.sh; do sleep 1; done >&2; } | serve_all $devices </dev/null
