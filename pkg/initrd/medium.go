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

const (
	mediumDir    = "/medium"
	searchPause  = 200 * time.Millisecond
	reportPeriod = 5 * time.Second
)

// findMedium looks for the volume until timeout and mounts it on mediumDir. Devices may appear at any time, so modules are
// loaded for new ones at each round.
func findMedium(out *console.Console, loader *kmod.Loader, config config, timeout time.Duration) error {
	stage := out.Begin("medium", config.Label)
	config.loadModules(loader)
	begin, reported := time.Now(), time.Now()
	for {
		loader.Coldplug("/sys")
		found := look(blockdev.Node)
		for _, device := range found.withLabel(config.Label) {
			if err := mountMedium(device, config.Layers); err != nil {
				found[device] = err.Error()
				continue
			}
			return stage.End(nil, console.Fields{"device": device})
		}
		if time.Since(begin) > timeout {
			err := fmt.Errorf("no medium with label %s after %.0f s; seen: %s", config.Label, timeout.Seconds(), found)
			return stage.End(err, nil)
		}
		if time.Since(reported) >= reportPeriod {
			reported = time.Now()
			out.Printf("Looking for the medium %s for %.0f s; seen: %s", config.Label, time.Since(begin).Seconds(), found)
		}
		time.Sleep(searchPause)
	}
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

// withLabel gives the devices with that label, whole disks before their partitions.
func (d devices) withLabel(label string) []string {
	var names []string
	for name, content := range d {
		if content == quote(label) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
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
