package system

import (
	"errors"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestOnlyTheKernelsEventsCount(t *testing.T) {
	if !isKernel(&unix.SockaddrNetlink{Family: unix.AF_NETLINK}) {
		t.Error("the kernel's own are not taken")
	}
	for _, from := range []unix.Sockaddr{nil, &unix.SockaddrNetlink{Pid: 7}, &unix.SockaddrUnix{}} {
		if isKernel(from) {
			t.Errorf("%+v passes for the kernel", from)
		}
	}
}

// What a program sends has its own address, whatever it wants.
func TestAForgedEventIsToldByItsSender(t *testing.T) {
	listening, err := ListenUevents()
	if err != nil {
		t.Skipf("no uevents here: %v", err)
	}
	defer unix.Close(listening.socket)
	at, err := unix.Getsockname(listening.socket)
	if err != nil {
		t.Fatal(err)
	}
	forger, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_KOBJECT_UEVENT)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(forger)
	to := &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Pid: at.(*unix.SockaddrNetlink).Pid}
	if err := unix.Sendto(forger, []byte("add@/x\x00ACTION=add\x00MODALIAS=pci:forged"), 0, to); errors.Is(err, unix.EPERM) {
		t.Skip("only root may send")
	} else if err != nil {
		t.Fatal(err)
	}
	buffer := make([]byte, 4096)
	_ = unix.SetsockoptTimeval(listening.socket, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: int64(5 * time.Second / time.Second)})
	for {
		size, from, err := unix.Recvfrom(listening.socket, buffer, 0)
		if err != nil {
			t.Fatal(err)
		}
		if parseUevent(buffer[:size])["MODALIAS"] == "pci:forged" {
			if isKernel(from) {
				t.Error("it passes for the kernel's")
			}
			return
		}
	}
}
