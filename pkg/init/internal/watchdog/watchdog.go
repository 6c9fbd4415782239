// Package watchdog holds the machine's hardware watchdog: a node whose first process hangs is reset by it.
package watchdog

import (
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// Device is the machine's first watchdog.
	Device = "/dev/watchdog"
	// disarm is what the kernel wants to read before a close that stops the watchdog (watchdog-api.rst: magic close).
	disarm = "V"
)

// device is an open watchdog.
type device interface {
	setTimeout(seconds int) (int, error)
	feed() error
	disarm() error
}

// Dog is the watchdog that this process holds, if there is one. Its zero value wants none.
type Dog struct {
	mu      sync.Mutex
	timeout int // seconds
	held    device
	until   time.Time // zero: for ever
}

// SetTimeout says after how many seconds without food the machine is to be reset, before the watchdog is taken; 0 leaves it alone.
func (d *Dog) SetTimeout(seconds int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.timeout = seconds
}

// Take opens the watchdog where there is one and none is held yet, and begins to feed it. It gives the seconds that the hardware
// took, 0 where nothing was to be done.
func (d *Dog) Take(path string) (int, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timeout == 0 || d.held != nil {
		return 0, nil
	}
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return d.hold(&hardware{file})
}

// hold feeds the device three times in its timeout.
func (d *Dog) hold(held device) (int, error) {
	seconds, err := held.setTimeout(d.timeout)
	if err != nil {
		return 0, fmt.Errorf("the watchdog takes no time: %w", err)
	}
	d.held = held
	go func() {
		for d.fed() {
			time.Sleep(time.Duration(seconds) * time.Second / 3)
		}
	}()
	return seconds, nil
}

// fed feeds once; false when that is over.
func (d *Dog) fed() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held == nil || !d.until.IsZero() && time.Now().After(d.until) {
		return false
	}
	_ = d.held.feed()
	return true
}

// Until feeds no longer than that from now on: a shutdown that hangs for good ends in a reset.
func (d *Dog) Until(end time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.until = end
}

// Release stops the watchdog, for a machine that is to stand still.
func (d *Dog) Release() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.held == nil {
		return nil
	}
	err := d.held.disarm()
	d.held = nil
	return err
}

type hardware struct{ file *os.File }

// setTimeout gives what the hardware made of it; one that has its own time only keeps that.
func (h *hardware) setTimeout(seconds int) (int, error) {
	_ = unix.IoctlSetPointerInt(int(h.file.Fd()), unix.WDIOC_SETTIMEOUT, seconds)
	return unix.IoctlGetInt(int(h.file.Fd()), unix.WDIOC_GETTIMEOUT)
}

func (h *hardware) feed() error {
	_, err := h.file.Write([]byte("\n"))
	return err
}

func (h *hardware) disarm() error {
	if _, err := h.file.WriteString(disarm); err != nil {
		return err
	}
	return h.file.Close()
}
