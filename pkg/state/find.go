package main

import (
	"fmt"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"kubeiso.dev/pkg/initrd/cpu"
)

const (
	label = "KUBEISO_STATE"
	// The disk is looked for as long as block devices come and USB disks are being looked at, and a moment longer: the
	// modules of other disks are loaded by now, and the kernel had looked at their disks before it said so.
	quiet       = 200 * time.Millisecond
	searchPause = 50 * time.Millisecond
	searchEnd   = 15 * time.Second // at native speed
	sectorSize  = 512 // of sysfs, whatever the disk's own is
)

// disk is a block device with the file system, a whole disk or a partition. The size is in bytes.
type disk struct {
	path    string
	size    int64
	content filesystem
}

// finder looks for the disk. The folders are those of the node.
type finder struct{ sysfs, dev string }

// find gives the disk, or nil if there is none. Two of them are an error, since which is the right one is not to be known, and
// so is one that cannot be written.
func (f finder) find() (*disk, error) {
	begin := time.Now()
	changed, seen := begin, []string(nil)
	for {
		names := f.devices()
		if !slices.Equal(names, seen) {
			changed, seen = time.Now(), names
			if found, err := f.look(names); found != nil || err != nil {
				return found, err
			}
		}
		if settled := !f.pending() && time.Since(changed) >= quiet; settled || over(begin, searchEnd) {
			return nil, nil
		}
		time.Sleep(searchPause)
	}
}

// over tells whether so much time has passed, as this machine's speed wants it. Only who waits that long pays for the measure.
func over(begin time.Time, limit time.Duration) bool {
	return time.Since(begin) > limit && time.Since(begin) > cpu.Stretch(limit)
}

// notDisks are block devices that never hold the state; opening an absent floppy takes seconds.
var notDisks = []string{"loop*", "ram*", "zram*", "fd*", "nbd*", "sr*"}

// devices lists the block devices that may hold the state, sorted.
func (f finder) devices() []string {
	paths, _ := filepath.Glob(filepath.Join(f.sysfs, "class/block/*"))
	var names []string
	for _, each := range paths {
		name := filepath.Base(each)
		if !slices.ContainsFunc(notDisks, func(pattern string) bool { match, _ := path.Match(pattern, name); return match }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// pending says whether a USB disk is known whose block device is not there yet: its driver waits a second before it looks.
func (f finder) pending() bool {
	interfaces, _ := filepath.Glob(filepath.Join(f.sysfs, "bus/usb/drivers/usb-storage/*:*"))
	for _, each := range interfaces {
		if disks, _ := filepath.Glob(filepath.Join(each, "host*/target*")); len(disks) == 0 {
			return true
		}
	}
	return false
}

// look gives the one of the devices that has the label, or nil.
func (f finder) look(names []string) (*disk, error) {
	var found []string
	var chosen *disk
	for _, name := range names {
		device := filepath.Join(f.dev, name)
		if content, err := examine(device); err == nil && content.label == label {
			found = append(found, device)
			chosen = &disk{device, f.number(name, "size") * sectorSize, content}
		}
	}
	switch {
	case len(found) == 0:
		return nil, nil
	case len(found) > 1:
		return nil, fmt.Errorf("%s all have the label %s, and one of them is another's state\n"+
			"next: take all but one away, or change a label with e2label", strings.Join(found, " and "), label)
	case f.number(filepath.Base(chosen.path), "ro") != 0:
		return nil, fmt.Errorf("%s has the label %s, but is write-protected\nnext: allow writing, or take it away", chosen.path, label)
	}
	return chosen, nil
}

// examine reads a device's superblock. One that cannot be read (a drive without a disc) has none.
func examine(device string) (filesystem, error) {
	file, err := os.Open(device)
	if err != nil {
		return filesystem{}, err
	}
	defer file.Close()
	return readFilesystem(file)
}

// number reads one of a device's attributes; 0 if it is not there.
func (f finder) number(name, attribute string) int64 {
	text, _ := os.ReadFile(filepath.Join(f.sysfs, "class/block", name, attribute))
	value, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return value
}
