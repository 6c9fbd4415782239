package main

import (
	"os"
	"path/filepath"
	"strings"
)

// hypervisorFolder is where services find out whether they are of use: below it is a file for each hypervisor's own channel.
const hypervisorFolder = runConfig + "/hypervisor"

// agentPort is the channel of QEMU's guest agent (docs/interop/qemu-ga.rst).
const agentPort = "org.qemu.guest_agent.0"

// markHypervisor leaves word of the hypervisor's channels that this machine has: for VMware's there is nothing to say, for QEMU's guest
// agent the device.
func markHypervisor(given options, vmware func() bool) error {
	found := map[string]string{}
	if vmware() {
		found["vmware"] = ""
	}
	if device := portOf(given.sys, agentPort); device != "" {
		found["qemu"] = "/dev/" + device + "\n"
	}
	for name, text := range found {
		if err := writeFile(filepath.Join(given.root, hypervisorFolder, name), text, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// portOf gives the device of a virtio-serial port with that name, such as vport1p2.
func portOf(sys, name string) string {
	all, _ := filepath.Glob(filepath.Join(sys, "class/virtio-ports/*/name"))
	for _, each := range all {
		if text, err := os.ReadFile(each); err == nil && strings.TrimSpace(string(text)) == name {
			return filepath.Base(filepath.Dir(each))
		}
	}
	return ""
}
