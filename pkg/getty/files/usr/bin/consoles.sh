#!/bin/sh
# Keeps a root shell on each console= of the kernel command line whose device is there, and kubeiso's own line into the node.
export ENV=/etc/profile.d/kubeiso.sh HOME=/root
serve() {
    while :; do
        setsid sh -c "exec getty -n -l /usr/bin/console-shell.sh -L 0 '$1' vt100"
        sleep 1
    done
}
until control.sh; do sleep 1; done &
read -r words </proc/cmdline
for word in $words; do
    case "$word" in
        console=*)
            device=${word#console=}
            device=${device%%,*}
            if [ -c "/dev/$device" ]; then serve "$device" & fi
            ;;
    esac
done
wait
