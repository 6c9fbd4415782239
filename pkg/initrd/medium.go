package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/initrd/blockdev"
	"kubeiso.dev/pkg/initrd/console"
	"kubeiso.dev/pkg/initrd/iso9660"
	"kubeiso.dev/pkg/initrd/kmod"
)

const mediumDir = "/medium"

// search is how the medium is looked for.
type search struct {
	out     *console.Console
	look    func() devices
	mount   func(device string, layers []string) error
	timeout time.Duration
	// pause is between two looks; a person hears of them every so often, and more seldom once the time is over.
	pause, often, seldom time.Duration
}

func searchOn(out *console.Console, loader *kmod.Loader, timeout time.Duration) search {
	return search{
		out: out, timeout: timeout, mount: mountMedium, pause: 200 * time.Millisecond, often: 5 * time.Second, seldom: time.Minute,
		look: func() devices { // devices may appear at any time, and their drivers may be modules
			loader.Coldplug("/sys")
			return look(blockdev.Node)
		},
	}
}

// find looks for the volume and mounts it. After the timeout it says that it failed, and goes on: a medium may be put in at any time.
func (s search) find(label string, layers []string) {
	stage := s.out.Begin("medium", label)
	begin, told, failed := time.Now(), time.Now(), false
	for ; ; time.Sleep(s.pause) {
		found := s.look()
		if device := s.mounted(found, label, layers); device != "" {
			_ = stage.End(nil, console.Fields{"device": device})
			return
		}
		if passed := time.Since(begin); !failed && passed > s.timeout {
			failed, told = true, time.Now()
			_ = stage.End(fmt.Errorf("no medium with label %s after %.0f s; seen: %s", label, passed.Seconds(), found), nil)
			s.out.Printf("\nThe node cannot start without it, and starts as soon as it is there. Nothing was changed; the machine can be switched off.")
		} else if period := s.period(failed); time.Since(told) >= period {
			told = time.Now()
			s.out.Printf("Looking for the medium %s for %.0f s; seen: %s", label, passed.Seconds(), found)
		}
	}
}

func (s search) period(failed bool) time.Duration {
	if failed {
		return s.seldom
	}
	return s.often
}

// mounted gives the device of those found that has the label and could be mounted; what is wrong with others is noted.
func (s search) mounted(found devices, label string, layers []string) string {
	for _, device := range found.withLabel(label) {
		err := s.mount(device, layers)
		if err == nil {
			return device
		}
		found[device] = err.Error()
	}
	return ""
}

// devices maps the name of each block device to what is on it: a label in quotes, or why there is none.
type devices map[string]string

// look reads the label of every block device.
func look(system blockdev.System) devices {
	found := devices{}
	for _, name := range system.Names() {
		found[name] = describe(system.Path(name))
	}
	return found
}

// describe gives what is on one device.
func describe(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return blockdev.Reason(err)
	}
	defer file.Close()
	label, err := iso9660.Label(file)
	if err != nil {
		return blockdev.Reason(err)
	}
	return quote(label)
}

func quote(label string) string { return `"` + label + `"` }

// withLabel gives the devices with that label, partitions before the disks that they are on: whoever mounts a whole disk takes all
// its partitions with it, and one of them may be for the node's state.
func (d devices) withLabel(label string) []string {
	var names []string
	for name, content := range d {
		if content == quote(label) {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, func(one, other string) int { return strings.Compare(one+"~", other+"~") })
	return names
}

// String lists all devices and what is on them, sorted by name.
func (d devices) String() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(d)) {
		parts = append(parts, name+": "+d[name])
	}
	if len(parts) == 0 {
		return "no block devices"
	}
	return strings.Join(parts, ", ")
}

// mountMedium mounts a device read-only and checks that the layers are on it; if not, it is unmounted again.
func mountMedium(name string, layers []string) error {
	if err := os.MkdirAll(mediumDir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("/dev/"+name, mediumDir, "iso9660", unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("label fits, but mounting failed: %w", err)
	}
	for _, layer := range layers {
		if _, err := os.Stat(filepath.Join(mediumDir, layer)); err != nil {
			return errors.Join(fmt.Errorf("label fits, but %s is not on it", layer), unix.Unmount(mediumDir, 0))
		}
	}
	return nil
}
