// Package power stops the machine: by signal, by button, and in good order.
package power

import (
	"fmt"
	"os"
	"os/signal"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Action is how the machine stops.
type Action string

// The actions.
const (
	PowerOff Action = "poweroff"
	Reboot   Action = "reboot"
	Halt     Action = "halt"
)

// signals are BusyBox init's: its poweroff, reboot and halt send them to process 1; the kernel sends SIGINT for
// Ctrl-Alt-Del.
var signals = map[os.Signal]Action{
	unix.SIGUSR1: Halt, unix.SIGUSR2: PowerOff, unix.SIGTERM: Reboot, unix.SIGINT: Reboot,
}

// Notify sends the action of every stop signal to actions, which must have room.
func Notify(actions chan<- Action) {
	received := make(chan os.Signal, 4)
	for each := range signals {
		signal.Notify(received, each)
	}
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_CAD_OFF) // Ctrl-Alt-Del as a signal instead of a hard reset
	go func() {
		for each := range received {
			offer(actions, signals[each])
		}
	}()
}

// offer does not wait: where an action is pending already, the node stops anyway.
func offer(actions chan<- Action, action Action) {
	select {
	case actions <- action:
	default:
	}
}

// Signal gives what process 1 must get for this action.
func (a Action) Signal() unix.Signal {
	for each, action := range signals {
		if action == a && each != unix.SIGINT {
			return each.(unix.Signal)
		}
	}
	return 0
}

// Command gives the action that a program of this name asks for; "" if it is none.
func Command(name string) Action {
	switch name = strings.ToLower(name); name {
	case string(PowerOff), string(Reboot), string(Halt):
		return Action(name)
	case "shutdown":
		return PowerOff
	}
	return ""
}

// Now does it at once, without stopping anything first. It returns only if the kernel refuses, or does not get to it.
func (a Action) Now() error {
	_ = within(syncPeriod, "writing to the disks", func() error { unix.Sync(); return nil })
	err := within(restPeriod, string(a), func() error { return unix.Reboot(a.command()) })
	for _, key := range a.lastKeys() {
		_ = os.WriteFile(sysrq, []byte(key), 0)
		time.Sleep(keyPeriod)
	}
	return err
}

func (a Action) command() int {
	switch a {
	case Reboot:
		return unix.LINUX_REBOOT_CMD_RESTART
	case Halt:
		return unix.LINUX_REBOOT_CMD_HALT
	}
	return unix.LINUX_REBOOT_CMD_POWER_OFF
}

// lastKeys are the kernel's own keys for a machine whose drivers don't let it stop (sysrq.rst): all disks read-only, then off;
// and a reset in any case but a halt, since a machine that hangs serves nobody.
func (a Action) lastKeys() []string {
	switch a {
	case Reboot:
		return []string{"u", "b"}
	case Halt:
		return nil
	}
	return []string{"u", "o", "b"}
}

const sysrq = "/proc/sysrq-trigger"

// How long the last calls may take before the machine stops without them.
const (
	syncPeriod = 15 * time.Second
	restPeriod = 15 * time.Second
	keyPeriod  = 5 * time.Second
)

// within does what may hang in the kernel, and waits for it no longer than that.
func within(limit time.Duration, what string, do func() error) error {
	done := make(chan error, 1)
	go func() { done <- do() }()
	select {
	case err := <-done:
		return err
	case <-time.After(limit):
		return fmt.Errorf("%s takes longer than %v", what, limit)
	}
}
