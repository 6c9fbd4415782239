// Package blockdev lists a node's block devices, waits for those that are still to come, and says what libblkid finds on one.
package blockdev

import (
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// sectorSize is sysfs's, in bytes, whatever the device's own is.
const sectorSize = 512

// System is where a machine's block devices are: its sysfs and its /dev.
type System struct{ Sysfs, Dev string }

// Node is the machine that the program runs on.
var Node = System{"/sys", "/dev"}

// notMedia are devices that hold nothing of their own (loop, RAM), or that stand there unused by the dozen (nbd); to open an
// absent floppy takes seconds.
var notMedia = []string{"loop*", "ram*", "zram*", "fd*", "nbd*"}

// Optical are drives for discs, for those who look for what is written again.
const Optical = "sr*"

// Names lists the block devices that may hold something, sorted: disks and their partitions. Those that match one of the patterns
// are left out.
func (s System) Names(without ...string) []string {
	entries, _ := filepath.Glob(filepath.Join(s.Sysfs, "class/block/*"))
	var names []string
	for _, entry := range entries {
		name := filepath.Base(entry)
		if !matchesAny(notMedia, name) && !matchesAny(without, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func matchesAny(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool { match, _ := path.Match(pattern, name); return match })
}

// Path is a device's file.
func (s System) Path(name string) string { return filepath.Join(s.Dev, name) }

// Size is a device's, in bytes; 0 for a drive without a medium, and for a device that has gone.
func (s System) Size(name string) int64 { return s.number(name, "size") * sectorSize }

// ReadOnly says whether the kernel writes to the device.
func (s System) ReadOnly(name string) bool { return s.number(name, "ro") != 0 }

// IsPartition says whether the device is a part of a disk.
func (s System) IsPartition(name string) bool {
	_, err := os.Stat(s.entry(name, "partition"))
	return err == nil
}

// Disk is the name of the disk that a partition is on, or that of the device itself.
func (s System) Disk(name string) string {
	if !s.IsPartition(name) {
		return name
	}
	target, err := filepath.EvalSymlinks(s.entry(name))
	if err != nil {
		return name
	}
	return filepath.Base(filepath.Dir(target))
}

// Identity is what the hardware says of the disk (its World Wide Identifier; ABI/stable/sysfs-block, sysfs-bus-scsi), with the
// partition's number; "" where it says nothing. Several names have one where a disk is reached by several ways.
func (s System) Identity(name string) string {
	for _, attribute := range [][]string{{"wwid"}, {"device", "wwid"}} {
		text, _ := os.ReadFile(s.entry(s.Disk(name), attribute...))
		if id := strings.TrimSpace(string(text)); id != "" {
			return fmt.Sprintf("%s#%d", id, s.number(name, "partition"))
		}
	}
	return ""
}

// Behind is how many bytes of its disk lie free behind a partition: up to the next one, or to the disk's end.
func (s System) Behind(name string) int64 {
	disk := s.Disk(name)
	end := s.number(name, "start")*sectorSize + s.Size(name)
	next := s.Size(disk)
	for _, other := range s.Names() {
		if start := s.number(other, "start") * sectorSize; s.IsPartition(other) && s.Disk(other) == disk && start >= end {
			next = min(next, start)
		}
	}
	return max(next-end, 0)
}

// Holders are the devices (of md, of the device mapper) that are made of this one.
func (s System) Holders(name string) []string {
	entries, _ := os.ReadDir(s.entry(name, "holders"))
	var names []string
	for _, entry := range entries {
		names = append(names, entry.Name())
	}
	return names
}

// Pending says whether a USB disk is known whose block device is not there yet: its driver waits a second before it looks.
func (s System) Pending() bool {
	interfaces, _ := filepath.Glob(filepath.Join(s.Sysfs, "bus/usb/drivers/usb-storage/*:*"))
	for _, each := range interfaces {
		if disks, _ := filepath.Glob(filepath.Join(each, "host*/target*")); len(disks) == 0 {
			return true
		}
	}
	return false
}

// number reads one of a device's attributes; 0 if it is not there.
func (s System) number(name, attribute string) int64 {
	text, _ := os.ReadFile(s.entry(name, attribute))
	value, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return value
}

func (s System) entry(name string, more ...string) string {
	return filepath.Join(append([]string{s.Sysfs, "class/block", name}, more...)...)
}

// Reason gives the cause of an error of reading a device without the file's name, which people have seen already.
func Reason(err error) string {
	var cause *os.PathError
	if errors.As(err, &cause) {
		return cause.Err.Error()
	}
	return err.Error()
}
