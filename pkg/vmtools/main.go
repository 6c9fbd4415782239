// Command vmtools is the guest's side of VMware's hypervisor, a small one in the place of open-vm-tools: it tells the node's name and
// addresses, and ends the node in good order when "shut down" or "restart" is asked for. It runs no commands of the hypervisor's user
// and passes no files, which the hypervisor's protocol has, too.
package main

import (
	"context"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"time"

	"github.com/vmware/govmomi/toolbox"
	"golang.org/x/sys/unix"
)

const exitFailure = 4

// period is how often the node looks whether what it told has changed; open-vm-tools' own (guestinfo.poll-interval).
const period = 30 * time.Second

func main() {
	sys := flag.String("sys", "/sys", "the kernel's `directory`")
	sbin := flag.String("sbin", "/usr/sbin", "the `directory` with poweroff and reboot")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	guest := &agent{
		look: func() (told, error) { return look(*sys, interfaces) },
		end:  func(program string) error { return exec.Command(filepath.Join(*sbin, program)).Run() },
		out:  func() toolbox.Channel { return toolbox.NewBackdoorChannelOut() },
	}
	if err := guest.run(ctx, toolbox.NewBackdoorChannelIn(), period); err != nil {
		fmt.Fprintf(os.Stderr, "vmtools: %v\n", err)
		os.Exit(exitFailure)
	}
}

// interfaces are those of the machine with their addresses.
func interfaces() ([]card, error) {
	all, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var found []card
	for _, each := range all {
		addresses, err := each.Addrs()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", each.Name, err)
		}
		found = append(found, card{name: each.Name, mac: each.HardwareAddr.String(), addresses: addresses})
	}
	return found, nil
}
