#!/bin/sh
# static-container.sh NAME: prints the id of the container of that name that runs in a static pod of the control plane; nothing
# where none does. A failure is that the container runtime was not to be asked.
crictl ps --quiet --state Running --label io.kubernetes.pod.namespace=kube-system --label "io.kubernetes.container.name=$1"
