package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/initrd/verity"
)

const (
	rootDir  = "/root.new"
	layerDir = "/layers"
)

// layer is a squashfs file. Without a root its content was compared as a whole before.
type layer struct {
	file string
	root *verity.Root
}

// buildRoot mounts the layers (lowest first) and puts the root together on rootDir.
func buildRoot(layers []layer) error {
	if err := os.MkdirAll(rootDir, 0o755); err != nil {
		return err
	}
	if len(layers) == 1 {
		return layers[0].mount(rootDir)
	}
	mounted, err := mountAll(layers)
	if err != nil {
		return err
	}
	if err := unix.Mount("overlay", rootDir, "overlay", unix.MS_RDONLY, overlayOptions(mounted)); err != nil {
		return fmt.Errorf("mounting the overlay of %d layers: %w", len(mounted), err)
	}
	return nil
}

// mountAll mounts the layers, all at once, and gives where they are, in their order.
func mountAll(layers []layer) ([]string, error) {
	targets, failures := make([]string, len(layers)), make([]error, len(layers))
	var group sync.WaitGroup
	for number, layer := range layers {
		targets[number] = filepath.Join(layerDir, strconv.Itoa(number))
		group.Go(func() {
			failures[number] = errors.Join(os.MkdirAll(targets[number], 0o755), layer.mount(targets[number]))
		})
	}
	group.Wait()
	return targets, errors.Join(failures...)
}

// overlayOptions gives the mount options of a read-only overlay; the kernel wants the topmost layer first. Files of two layers may have
// the same number, each on its own file system; xino makes them differ. Else a container's own overlay, which has this one below it,
// would show two files as one: the dynamic loader takes a library with the number of another for loaded already.
func overlayOptions(lowestFirst []string) string {
	topmostFirst := slices.Clone(lowestFirst)
	slices.Reverse(topmostFirst)
	return "xino=on,lowerdir=" + strings.Join(topmostFirst, ":")
}

// mount mounts the layer read-only through a loop device, and one above that which knows each block. Both go away with the mount.
func (l layer) mount(target string) error {
	loop, err := attachLoop(l.file)
	if err != nil {
		return fmt.Errorf("attaching %s: %w", l.file, err)
	}
	defer loop.Close()
	device := loop.Name()
	if l.root != nil {
		name := "kubeiso-" + strings.TrimSuffix(filepath.Base(l.file), filepath.Ext(l.file))
		if device, err = verity.Open(name, loop.Name(), *l.root); err != nil {
			return fmt.Errorf("%s: %w", l.file, err)
		}
		defer func() { _ = verity.Drop(name) }()
	}
	if err := unix.Mount(device, target, "squashfs", unix.MS_RDONLY, ""); err != nil {
		return fmt.Errorf("mounting %s: %w", l.file, err)
	}
	return nil
}

// attachLoop gives an open loop device on a file. It is freed when its last user (the caller's handle, the mount) ends.
func attachLoop(file string) (*os.File, error) {
	backing, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer backing.Close()
	control, err := os.OpenFile("/dev/loop-control", os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	defer control.Close()
	for {
		loop, err := configureLoop(control, backing)
		if errors.Is(err, unix.EBUSY) {
			continue // another one took the number in between
		}
		return loop, err
	}
}

func configureLoop(control, backing *os.File) (*os.File, error) {
	number, err := unix.IoctlRetInt(int(control.Fd()), unix.LOOP_CTL_GET_FREE)
	if err != nil {
		return nil, err
	}
	loop, err := os.OpenFile("/dev/loop"+strconv.Itoa(number), os.O_RDONLY, 0)
	if err != nil {
		return nil, err
	}
	settings := unix.LoopConfig{Fd: uint32(backing.Fd())}
	settings.Info.Flags = unix.LO_FLAGS_READ_ONLY | unix.LO_FLAGS_AUTOCLEAR
	copy(settings.Info.File_name[:], backing.Name())
	if err := unix.IoctlLoopConfigure(int(loop.Fd()), &settings); err != nil {
		return nil, errors.Join(err, loop.Close())
	}
	return loop, nil
}
