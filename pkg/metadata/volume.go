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
	"kubeiso.dev/pkg/metadata/seed"
)

const (
	volumeLabel = "cidata" // or in capitals: NoCloud's specification
	// linuxkitLabel is that of LinuxKit's own volumes. Others may have it by chance, so it counts where one of the files is there.
	linuxkitLabel = "config"
	mountPoint    = "/mnt"
	maxFile       = 16 << 20
)

// volume is a block device's file system with the label.
type volume struct {
	device, kind, label string
}

// certain says whether its label means nothing but metadata.
func (v volume) certain() bool { return v.label != linuxkitLabel }

func (v volume) String() string { return fmt.Sprintf("%s (%s)", v.device, v.kind) }

// finder looks for the volume among a node's block devices.
type finder struct{ devices blockdev.System }

// find gives the volume with the label cidata, or a config drive, or an OVF environment, or all that have LinuxKit's label. Without any, the error is errNoVolume; two with the
// label cidata, or two of another kind, are a mistake. It is looked for as long as devices may come.
func (f finder) find() (found []volume, err error) {
	seen, done, err := f.devices.Search(func(names []string) (bool, error) {
		one, err := f.look(names)
		if errors.Is(err, errNoVolume) {
			return false, nil
		}
		found = []volume{one}
		return err == nil, err
	})
	if err != nil || done {
		return found, err
	}
	if found := f.labelled(seen, linuxkitLabel); found != nil {
		return found, nil
	}
	if broken := f.unreadable(seen); broken != nil {
		return nil, fmt.Errorf("%w; looked at: %v; WARNING, no more is known of %s", errNoVolume, seen, strings.Join(broken, "; "))
	}
	return nil, fmt.Errorf("%w; looked at: %v", errNoVolume, seen)
}

// unreadable names the devices that give no bytes, one of which may be the volume that a person looks for.
func (f finder) unreadable(names []string) (found []string) {
	for _, name := range names {
		if err := readable(f.devices.Path(name)); err != nil {
			found = append(found, fmt.Sprintf("%s, which can't be read: %v", name, err))
		}
	}
	return found
}

// readable reads what a file system begins with. A drive without a disc, and a device that is gone, hold nothing.
func readable(device string) error {
	file, err := os.Open(device)
	if err == nil {
		defer file.Close()
		_, err = file.ReadAt(make([]byte, 64<<10), 0)
	}
	for _, none := range []error{io.EOF, fs.ErrNotExist, unix.ENOMEDIUM, unix.ENXIO, unix.ENODEV} {
		if errors.Is(err, none) {
			return nil
		}
	}
	return err
}

var (
	errNoVolume  = fmt.Errorf("no volume has the label %s, %s or %s", volumeLabel, driveLabel, ovfLabel)
	errNoFiles   = errors.New("none of the files")
	errTooLarge  = fmt.Errorf("it is larger than %d MiB", maxFile>>20)
	errNotZipped = errors.New("it is not compressed")
)

// labelled gives the volumes with a label. A disk and its partition may show the same file system (an ISO that is a disk too): that
// is one.
func (f finder) labelled(names []string, wanted string) (found []volume) {
	disks := map[string]bool{}
	for _, name := range names {
		device, disk := f.devices.Path(name), f.devices.Disk(name)
		kind, label := identify(device)
		if strings.EqualFold(label, wanted) && !disks[disk] {
			disks[disk] = true
			found = append(found, volume{device: device, kind: kind, label: wanted})
		}
	}
	return found
}

// look gives the volume with the label cidata, or the config drive, or the OVF environment.
func (f finder) look(names []string) (volume, error) {
	for _, label := range []string{volumeLabel, driveLabel, ovfLabel} {
		switch found := f.labelled(names, label); len(found) {
		case 0:
		case 1:
			return found[0], nil
		default:
			return volume{}, fmt.Errorf("more than one volume has the label %s: %v; take all but one away", label, found)
		}
	}
	return volume{}, errNoVolume
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

// contents are the files of a volume that are known, the names of the others, and what could not be read.
type contents struct {
	source string
	files  map[string][]byte
	others []string
	faults []error
}

// load gives what the folder holds that is given; else what the machine's own line says, or leads to.
func load(given options, on host) (contents, error) {
	if given.from != "" {
		return readEither(given.from, given.from)
	}
	line, err := seed.Of(given.proc, given.sys)
	if err != nil {
		return contents{source: "ds=nocloud", faults: []error{err}}, nil
	}
	if line == nil {
		return loadHeld(given)
	}
	return loadSeed(line, byLease(on), func() (contents, error) { return loadHeld(given) })
}

// loadSeed gives what a machine's line leads to; where it leads nowhere, its words beside what is held elsewhere.
func loadSeed(line *seed.Seed, beyond reach, elsewhere func() (contents, error)) (held contents, err error) {
	if line.URL != nil {
		held = fetchSeed(line, beyond)
	} else if held, err = elsewhere(); errors.Is(err, errNoVolume) {
		held, err = contents{source: line.Source, files: map[string][]byte{}}, nil
	}
	if err == nil {
		held.say(line)
	}
	return held, err
}

// loadHeld gives what the hypervisor holds, QEMU's or VMware's, or a volume.
func loadHeld(given options) (contents, error) {
	if held, found := readFirmware(given.sys); found {
		return held, nil
	}
	if onVMware() {
		if held, found := readGuestinfo(askVMware); found {
			return held, nil
		}
	}
	found, err := finder{blockdev.Node}.find()
	if err != nil {
		return contents{source: "looking for the volume"}, err
	}
	return readFirst(found, volume.read)
}

// readEither reads a folder with the files of any kind.
func readEither(source, folder string) (contents, error) {
	held, err := readFolder(source, folder)
	if !errors.Is(err, errNoFiles) {
		return held, err
	}
	for _, read := range []func(string, string) (contents, error){readDrive, readOVF, readGuestFolder} {
		if other, none := read(source, folder); none == nil {
			return other, nil
		}
	}
	return held, err
}

// readFirst reads the first of several volumes that has one of the files. One volume alone has to have them, unless its label is
// LinuxKit's: many a thing is called "config".
func readFirst(all []volume, read func(volume) (contents, error)) (contents, error) {
	for _, each := range all {
		held, err := read(each)
		if !errors.Is(err, errNoFiles) || each.certain() {
			return held, err
		}
	}
	return contents{}, fmt.Errorf("%w; looked at: %v", errNoVolume, all)
}

// read mounts the volume, reads its files and unmounts it.
func (v volume) read() (held contents, err error) {
	flags := uintptr(unix.MS_RDONLY | unix.MS_NOSUID | unix.MS_NODEV | unix.MS_NOEXEC)
	switch err := unix.Mount(v.device, mountPoint, v.kind, flags, ""); {
	case errors.Is(err, unix.ENODEV): // mount(2) has asked for the module by then
		return contents{source: v.String()}, fmt.Errorf("mounting it: this kernel has no driver for %s", v.kind)
	case err != nil:
		return contents{source: v.String()}, fmt.Errorf("mounting it: %w", err)
	}
	defer func() { err = errors.Join(err, unix.Unmount(mountPoint, 0)) }()
	switch v.label {
	case driveLabel:
		return readDrive(v.String(), mountPoint)
	case ovfLabel:
		return readOVF(v.String(), mountPoint)
	default:
		return readFolder(v.String(), mountPoint)
	}
}

// readFolder reads the files of a volume that are known. One that can't be read is a fault, and keeps no other from being read.
func readFolder(source, folder string) (contents, error) {
	held := contents{source: source, files: map[string][]byte{}}
	listed, err := os.ReadDir(folder)
	if err != nil {
		return held, err
	}
	for _, each := range listed {
		if !slices.Contains(volumeFiles, each.Name()) {
			held.others = append(held.others, each.Name())
			continue
		}
		text, err := readFile(filepath.Join(folder, each.Name()))
		if err != nil {
			held.faults = append(held.faults, err)
			continue
		}
		held.files[each.Name()] = text
	}
	if len(held.files) == 0 && held.faults == nil {
		return held, fmt.Errorf("it has %w %s; it has %v", errNoFiles, strings.Join(volumeFiles, ", "), held.others)
	}
	return held, nil
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
		return nil, &fs.PathError{Op: "reading", Path: name, Err: errTooLarge}
	}
	return text.Bytes(), nil
}
