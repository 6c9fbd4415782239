#!/bin/sh
# Whether this node can run virtual machines: /etc/virtualisation has the modules for that, the devices that must be there then, and
# the labels that say it, one a line.
set -uf
given=/etc/virtualisation
found=/run/node-labels/virtualisation

lacks() {
    if ! grep -qE '^flags[[:space:]]*:.* (vmx|svm)( |$)' /proc/cpuinfo; then
        echo "its processor does not virtualise (neither vmx nor svm in /proc/cpuinfo)"
        return
    fi
    while read -r module; do
        modprobe -q "$module" || true # such as the other vendor's; what counts are the devices
    done <"$given/modules"
    while read -r device; do
        # To open it is the proof: a device file can be there without its driver.
        if ! (exec 3<"$device") 2>/dev/null; then
            echo "$device can't be opened"
            return
        fi
    done <"$given/devices"
}

reason=$(lacks)
can=true
[ -z "$reason" ] || can=false
while read -r label; do echo "$label=$can"; done <"$given/labels" >"$found"
if [ "$can" = true ]; then
    echo "this node runs virtual machines for pods"
else
    echo "this node runs no virtual machines, so pods that are such go elsewhere: $reason"
fi
