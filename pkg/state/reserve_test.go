package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// small gives a file system of so many MiB.
func small(t *testing.T, size string) string {
	t.Helper()
	target := t.TempDir()
	if err := unix.Mount("tmpfs", target, "tmpfs", 0, "size="+size); errors.Is(err, unix.EPERM) {
		t.Skip("only root may mount")
	} else if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = unix.Unmount(target, unix.MNT_DETACH) })
	return target
}

func TestSomeRoomIsKeptForTheDayWhenTheDiskIsFull(t *testing.T) {
	target := small(t, "320m")
	on := system{measure: measured}
	path := filepath.Join(target, reserveFile)
	for range 2 {
		if said := on.reserve(target); said != "" {
			t.Errorf("said %q", said)
		}
		if about, err := os.Stat(path); err != nil || about.Size() != 20<<20 {
			t.Fatalf("kept %v, %v", about, err)
		}
	}
	now, _ := measured(target)
	left := now.bare
	if left > 301<<20 {
		t.Errorf("it takes no room: %d MiB are free", left>>20)
	}
	if err := fill(filepath.Join(target, "filler"), left-1<<20); err != nil {
		t.Fatal(err)
	}
	if said := on.reserve(target); !strings.Contains(said, "20 MiB that were kept for the day") {
		t.Errorf("said %q", said)
	}
	if now, _ = measured(target); now.bare < 20<<20 {
		t.Errorf("only %d MiB are free", now.bare>>20)
	}
	if said := on.reserve(target); said != "" {
		t.Errorf("with none left it said %q", said)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it was made anew on a disk that is full still")
	}
	if err := os.Remove(filepath.Join(target, "filler")); err != nil {
		t.Fatal(err)
	}
	on.reserve(target)
	if about, err := os.Stat(path); err != nil || about.Size() != 20<<20 {
		t.Errorf("it is not kept again: %v", err)
	}
}

func TestNoRoomIsKeptOfWhatIsNotThere(t *testing.T) {
	target := small(t, "64m")
	if err := fill(filepath.Join(target, "filler"), 50<<20); err != nil {
		t.Fatal(err)
	}
	if said := (system{measure: measured}).reserve(target); said != "" {
		t.Errorf("said %q", said)
	}
	if _, err := os.Stat(filepath.Join(target, reserveFile)); err == nil {
		t.Error("the last room was taken")
	}
}
