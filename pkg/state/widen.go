package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// statePartition is the GPT type of the partition that a disk medium brings for its node's state (builder/media/disk.py). It is
// kubeiso's own, so nothing else is ever on one.
const statePartition = "42c0ddb4-5f26-5b19-baf7-7edf86d3741b"

// The second to the fourth entry of the table in a disk's first sector, of which a GPT has the first (UEFI specification, 5.2.3).
const (
	marksOffset = 462
	marksLength = 48
)

// brought says whether a device is such a partition.
func (s surveyor) brought(name string) bool {
	return s.devices.IsPartition(name) && strings.EqualFold(s.partition(s.devices.Path(name)), statePartition)
}

// widen lets each partition that a medium brought reach up to the next one, or to its disk's end: a medium is as small as can be,
// and its disk mostly is larger. Where that fails, people are told, and the partition stays as it is.
func (f finder) widen(names []string) {
	for _, name := range names {
		disk := f.devices.Disk(name)
		if disk == name || f.devices.ReadOnly(disk) || f.devices.Behind(name) < spare || !f.brought(name) {
			continue
		}
		if err := f.widened(f.devices.Path(disk), name); err != nil {
			f.tell(fmt.Sprintf("%s could not be made larger: %v", f.devices.Path(name), err))
		}
	}
}

// widened writes the table anew, the copy at the disk's new end first (as libfdisk does), and tells the kernel. What the disk's first
// sector has for a BIOS that boots no disk without a partition that is marked stays; sfdisk would take it away.
func (f finder) widened(disk, name string) (err error) {
	first, err := os.OpenFile(disk, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	marks := make([]byte, marksLength)
	if _, err := first.ReadAt(marks, marksOffset); err != nil {
		return errors.Join(err, first.Close())
	}
	defer func() {
		_, wrong := first.WriteAt(marks, marksOffset)
		err = errors.Join(err, wrong, first.Sync(), first.Close())
	}()
	number := strings.TrimLeft(strings.TrimPrefix(name, filepath.Base(disk)), "p")
	options := []string{"sfdisk", "--quiet", "--no-reread", "--no-tell-kernel"}
	for _, step := range []struct {
		input string
		argv  []string
	}{
		{"", append(options, "--relocate", "gpt-bak-std", disk)},
		{", +\n", append(options, "-N", number, disk)},
		{"", []string{"partx", "--update", "--nr", number, disk}},
	} {
		code, err := f.feed(step.input, step.argv...)
		if err != nil {
			return err
		}
		if code != 0 {
			return fmt.Errorf("%s ended with %d", strings.Join(step.argv, " "), code)
		}
	}
	return nil
}
