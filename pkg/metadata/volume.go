package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/initrd/blockdev"
	"kubeiso.dev/pkg/initrd/iso9660"
)

const (
	volumeLabel = "cidata" // or in capitals: NoCloud's specification
	mountPoint  = "/mnt"
	maxFile     = 16 << 20
)

// volume is a block device's file system with the label.
type volume struct{ device, kind string }

func (v volume) String() string { return fmt.Sprintf("%s (%s)", v.device, v.kind) }

// finder looks for the volume among a node's block devices.
type finder struct{ devices blockdev.System }

// find gives the volume. Without one, the error is errNoVolume; two are a mistake. It is looked for as long as devices may come.
func (f finder) find() (found volume, err error) {
	seen, done, err := f.devices.Search(func(names []string) (bool, error) {
		found, err = f.look(names)
		if errors.Is(err, errNoVolume) {
			return false, nil
		}
		return err == nil, err
	})
	if err == nil && !done {
		return volume{}, fmt.Errorf("%w; looked at: %v", errNoVolume, seen)
	}
	return found, err
}

var errNoVolume = errors.New("no volume has the label " + volumeLabel)

// look reads the labels. A disk and its partition may show the same file system (an ISO that is a disk too): that is one.
func (f finder) look(names []string) (volume, error) {
	var found []volume
	disks := map[string]bool{}
	for _, name := range names {
		device, disk := f.devices.Path(name), f.devices.Disk(name)
		kind, label := identify(device)
		if strings.EqualFold(label, volumeLabel) && !disks[disk] {
			disks[disk] = true
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
