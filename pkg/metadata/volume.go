package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/initrd/cpu"
	"kubeiso.dev/pkg/initrd/iso9660"
)

const (
	volumeLabel = "cidata" // or in capitals: NoCloud's specification
	mountPoint  = "/mnt"
	maxFile     = 16 << 20
	// A volume is looked for as long as block devices come and USB disks are being looked at, and a moment longer.
	quiet       = 200 * time.Millisecond
	searchPause = 50 * time.Millisecond
	searchEnd   = 15 * time.Second // at native speed
)

// volume is a block device's file system with the label.
type volume struct{ device, kind string }

func (v volume) String() string { return fmt.Sprintf("%s (%s)", v.device, v.kind) }

// finder looks for the volume. The folders are those of the node.
type finder struct{ sysfs, dev string }

// find gives the volume. Without one, the error is errNoVolume; two are a mistake.
func (f finder) find() (volume, error) {
	begin := time.Now()
	changed, seen := begin, []string(nil)
	for {
		names := f.devices()
		if !slices.Equal(names, seen) {
			changed, seen = time.Now(), names
			if found, err := f.look(names); !errors.Is(err, errNoVolume) {
				return found, err
			}
		}
		busy := f.pending() || time.Since(changed) < quiet
		if !busy || over(begin, searchEnd) {
			return volume{}, fmt.Errorf("%w; looked at: %v", errNoVolume, seen)
		}
		time.Sleep(searchPause)
	}
}

// over tells whether so much time has passed, as this machine's speed wants it. Only who waits that long pays for the measure.
func over(begin time.Time, limit time.Duration) bool {
	return time.Since(begin) > limit && time.Since(begin) > cpu.Stretch(limit)
}

var errNoVolume = errors.New("no volume has the label " + volumeLabel)

// notMedia are block devices that never hold the volume; opening an absent floppy takes seconds.
var notMedia = []string{"loop*", "ram*", "zram*", "fd*", "nbd*"}

// devices lists the block devices that may hold the volume, sorted.
func (f finder) devices() []string {
	paths, _ := filepath.Glob(filepath.Join(f.sysfs, "class/block/*"))
	var names []string
	for _, each := range paths {
		name := filepath.Base(each)
		if !slices.ContainsFunc(notMedia, func(pattern string) bool { match, _ := path.Match(pattern, name); return match }) {
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

// look reads the labels. A disk and its partition may show the same file system (an ISO that is a disk too): that is one.
func (f finder) look(names []string) (volume, error) {
	var found []volume
	disks := map[string]bool{}
	for _, name := range names {
		device := filepath.Join(f.dev, name)
		kind, label := identify(device)
		if strings.EqualFold(label, volumeLabel) && !disks[f.disk(name)] {
			disks[f.disk(name)] = true
			found = append(found, volume{device, kind})
		}
	}
	switch len(found) {
	case 0:
		return volume{}, errNoVolume
	case 1:
		return found[0], nil
	}
	return volume{}, fmt.Errorf("more than one volume has the label %s: %v; take all but one away", volumeLabel, found)
}

// disk is the name of the disk that a partition is on, or that of the device itself.
func (f finder) disk(name string) string {
	entry := filepath.Join(f.sysfs, "class/block", name)
	if _, err := os.Stat(filepath.Join(entry, "partition")); err != nil {
		return name
	}
	target, err := filepath.EvalSymlinks(entry)
	if err != nil {
		return name
	}
	return filepath.Base(filepath.Dir(target))
}

// identify gives the kind of file system, as mount(2) calls it, and the label. A device that cannot be read (a drive without
// a disc) has none.
func identify(device string) (kind, label string) {
	file, err := os.Open(device)
	if err != nil {
		return "", ""
	}
	defer file.Close()
	for _, each := range []struct {
		kind string
		read func(io.ReaderAt) (string, error)
	}{{"iso9660", iso9660.Label}, {"vfat", fatLabel}} {
		if label, err := each.read(file); err == nil {
			return each.kind, label
		}
	}
	return "", ""
}

// read mounts the volume, reads its files and unmounts it.
func (v volume) read() (files map[string][]byte, others []string, err error) {
	flags := uintptr(unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	switch err := unix.Mount(v.device, mountPoint, v.kind, flags, ""); {
	case errors.Is(err, unix.ENODEV): // mount(2) has asked for the module by then
		return nil, nil, fmt.Errorf("mounting it: this kernel has no driver for %s", v.kind)
	case err != nil:
		return nil, nil, fmt.Errorf("mounting it: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Unmount(mountPoint, 0)) }()
	return readFolder(mountPoint)
}

// readFolder reads the files of a volume that are known, and lists the others.
func readFolder(folder string) (files map[string][]byte, others []string, err error) {
	listed, err := os.ReadDir(folder)
	if err != nil {
		return nil, nil, err
	}
	files = map[string][]byte{}
	for _, each := range listed {
		if !slices.Contains([]string{metaDataFile, userDataFile, networkFile, configFile}, each.Name()) {
			others = append(others, each.Name())
			continue
		}
		if files[each.Name()], err = readFile(filepath.Join(folder, each.Name())); err != nil {
			return nil, nil, err
		}
	}
	if len(files) == 0 {
		wanted := strings.Join([]string{metaDataFile, userDataFile, networkFile, configFile}, ", ")
		return nil, nil, fmt.Errorf("it has none of the files %s; it has %v", wanted, others)
	}
	return files, others, nil
}

func readFile(name string) ([]byte, error) {
	file, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	var text bytes.Buffer
	if _, err := io.Copy(&text, io.LimitReader(file, maxFile+1)); err != nil {
		return nil, err
	}
	if text.Len() > maxFile {
		return nil, &fs.PathError{Op: "reading", Path: name, Err: fmt.Errorf("it is larger than %d MiB", maxFile>>20)}
	}
	return text.Bytes(), nil
}
