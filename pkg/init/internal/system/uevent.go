package system

import (
	"errors"
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/initrd/kmod"
)

// ueventBuffer is the size, in bytes, of the kernel's queue; hundreds of devices may appear at once.
const ueventBuffer = 1 << 20

// Uevents is the kernel's stream of device events.
type Uevents struct{ socket int }

// ListenUevents begins to queue events.
func ListenUevents() (*Uevents, error) {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		return nil, fmt.Errorf("opening the uevent socket: %w", err)
	}
	_ = unix.SetsockoptInt(socket, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, ueventBuffer)
	if err := unix.Bind(socket, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}); err != nil {
		return nil, errors.Join(fmt.Errorf("listening to uevents: %w", err), unix.Close(socket))
	}
	return &Uevents{socket}, nil
}

// Hotplug loads modules for every device that appears, and calls appeared for each with its subsystem. It does not return.
func (u *Uevents) Hotplug(loader *kmod.Loader, appeared func(subsystem string)) {
	buffer := make([]byte, 64<<10)
	for {
		size, from, err := unix.Recvfrom(u.socket, buffer, 0)
		switch {
		case errors.Is(err, unix.ENOBUFS): // events were lost: look at all devices
			loader.Coldplug("/sys")
			appeared("input")
		case err == nil && isKernel(from):
			event := parseUevent(buffer[:size])
			if event["ACTION"] != "add" {
				continue
			}
			if alias := event["MODALIAS"]; alias != "" {
				loader.Plug(alias)
			}
			appeared(event["SUBSYSTEM"])
		}
	}
}

// isKernel says whether a message is the kernel's. Any program with CAP_NET_ADMIN in the node's network, a pod's too, can send such.
func isKernel(from unix.Sockaddr) bool {
	sender, known := from.(*unix.SockaddrNetlink)
	return known && sender.Pid == 0
}

// parseUevent gives the KEY=VALUE parts of an event, "ACTION@PATH\0KEY=VALUE\0...". Something else gives none.
func parseUevent(message []byte) map[string]string {
	header, rest, _ := strings.Cut(string(message), "\x00")
	if !strings.Contains(header, "@") {
		return nil
	}
	values := map[string]string{}
	for part := range strings.SplitSeq(rest, "\x00") {
		if key, value, found := strings.Cut(part, "="); found {
			values[key] = value
		}
	}
	return values
}
