package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/initrd/console"
)

const (
	memoryDir = "/ram"
	// spareMemory is what a node needs besides, at the least, in bytes.
	spareMemory = 512 << 20
	copyPeriod  = 5 * time.Second
)

// toMemory copies the layers from the medium to memory and lets go of the medium, which can be taken away from then on. It gives the
// folder to take them from: the medium's where memory is short or the medium can't be read to its end, since a node that starts without
// the copy is better than none.
func toMemory(out *console.Console, layers []string) string {
	stage := out.Begin("toram", "").Announce()
	size, err := copyLayers(mediumDir, memoryDir, layers, mountMemory, func(done, all int64) {
		out.Printf("Copying the medium to memory: %d of %d MiB", done>>20, all>>20)
	})
	if err != nil {
		_ = unix.Unmount(memoryDir, unix.MNT_DETACH)
		_ = stage.End(fmt.Errorf("%w; the node runs from its medium, which has to stay", err), nil)
		return mediumDir
	}
	_ = unix.Unmount(mediumDir, unix.MNT_DETACH)
	_ = stage.End(nil, console.Fields{"mib": size >> 20})
	return memoryDir
}

// mountMemory mounts a file system in memory for so many bytes, if the machine has them to spare.
func mountMemory(target string, size int64) error {
	var machine unix.Sysinfo_t
	if err := unix.Sysinfo(&machine); err != nil {
		return err
	}
	free := int64(machine.Freeram) * int64(machine.Unit)
	if free < size+spareMemory {
		return fmt.Errorf("the medium's %d MiB and %d MiB for the node are more than the %d MiB of free memory", size>>20, spareMemory>>20, free>>20)
	}
	if err := os.MkdirAll(target, 0o755); err != nil {
		return err
	}
	return unix.Mount("tmpfs", target, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, fmt.Sprintf("mode=755,size=%d", size+size/64+1<<20))
}

// copyLayers copies files from one folder to another one, for which mount makes room; tell hears now and then how far it is. It gives
// the bytes of all.
func copyLayers(from, to string, layers []string, mount func(string, int64) error, tell func(done, all int64)) (int64, error) {
	var all int64
	for _, layer := range layers {
		info, err := os.Stat(filepath.Join(from, layer))
		if err != nil {
			return 0, err
		}
		all += info.Size()
	}
	if err := mount(to, all); err != nil {
		return 0, err
	}
	progress := &meter{all: all, told: time.Now(), tell: tell}
	for _, layer := range layers {
		if err := copyFile(filepath.Join(from, layer), filepath.Join(to, layer), progress); err != nil {
			return 0, err
		}
	}
	return all, nil
}

func copyFile(from, to string, progress *meter) error {
	source, err := os.Open(from)
	if err != nil {
		return err
	}
	defer source.Close()
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	target, err := os.Create(to)
	if err != nil {
		return err
	}
	defer target.Close()
	if _, err := io.Copy(io.MultiWriter(target, progress), source); err != nil {
		return err
	}
	return target.Close()
}

// meter counts bytes and tells of them now and then.
type meter struct {
	done, all int64
	told      time.Time
	tell      func(done, all int64)
}

func (m *meter) Write(data []byte) (int, error) {
	m.done += int64(len(data))
	if time.Since(m.told) >= copyPeriod {
		m.told = time.Now()
		m.tell(m.done, m.all)
	}
	return len(data), nil
}
