package main

import (
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

const (
	// reserveFile is room that nobody else takes: where a disk is full to the last byte, containerd does not start, and with it no
	// way in.
	reserveFile = "lib/kubeiso/reserve"
	reserveSize = 64 << 20
	// reservePart is how much of a small disk it is at the most, and reserveRest how much more has to be free for it to be made.
	reservePart, reserveRest = 16, 4
	// scarce is so little room that it is given up. Of what ext4 calls free it keeps up to 16 MiB for itself (fs/ext4/super.c,
	// ext4_calculate_resv_clusters).
	scarce = 40 << 20
)

// reserve keeps some room on the disk, or gives it up where the disk has no other. What it gives is a remark for people, or nothing.
func (s system) reserve(target string) string {
	path := filepath.Join(target, reserveFile)
	now, err := s.measure(target)
	if err != nil {
		return ""
	}
	about, err := os.Stat(path)
	kept := err == nil && about.Size() > 0
	size := min(reserveSize, now.all/reservePart)
	switch {
	case kept && now.bare < scarce:
		if os.Remove(path) == nil {
			return fmt.Sprintf(", with %d MiB that were kept for the day when it is full", about.Size()>>20)
		}
	case !kept && now.bare > reserveRest*size:
		if err := fill(path, size); err != nil {
			_ = os.Remove(path)
		}
	}
	return ""
}

// fill makes a file of that size without writing it.
func fill(path string, size int64) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	return unix.Fallocate(int(file.Fd()), 0, 0, size)
}
