package blockdev

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// machine is one whose devices are files. A device "sda/sda1" is a partition.
func machine(t *testing.T, devices ...string) System {
	t.Helper()
	made := System{filepath.Join(t.TempDir(), "sys"), t.TempDir()}
	for _, device := range devices {
		add(t, made, device)
	}
	return made
}

func add(t *testing.T, to System, device string) {
	t.Helper()
	name, real := filepath.Base(device), filepath.Join(to.Sysfs, "devices", device)
	class := filepath.Join(to.Sysfs, "class/block")
	attribute(t, real, "size", "2048\n")
	if name != device {
		attribute(t, real, "partition", "1\n")
	}
	if err := errors.Join(os.MkdirAll(class, 0o700), os.Symlink(real, filepath.Join(class, name))); err != nil {
		t.Fatal(err)
	}
}

func attribute(t *testing.T, folder, name, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(folder, 0o700), os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

func TestNamesAreSortedAndOfWhatCanHoldSomething(t *testing.T) {
	all := machine(t, "vdb", "sr0", "ram3", "loop0", "fd0", "nbd1", "zram0", "vda", "vda/vda1")
	if got := all.Names(); !slices.Equal(got, []string{"sr0", "vda", "vda1", "vdb"}) {
		t.Errorf("got %v", got)
	}
	if got := all.Names(Optical); !slices.Equal(got, []string{"vda", "vda1", "vdb"}) {
		t.Errorf("without discs: %v", got)
	}
	if got := machine(t).Names(); got != nil {
		t.Errorf("an empty machine has %v", got)
	}
}

func TestWhatSysfsSaysOfADevice(t *testing.T) {
	all := machine(t, "sda", "sda/sda1")
	attribute(t, filepath.Join(all.Sysfs, "class/block/sda"), "ro", "1\n")
	attribute(t, filepath.Join(all.Sysfs, "class/block/sda/holders"), "md0", "")
	if !all.IsPartition("sda1") || all.Disk("sda1") != "sda" || all.IsPartition("sda") || all.Disk("sda") != "sda" {
		t.Error("partitions and disks are mixed up")
	}
	if all.Size("sda") != 1<<20 || !all.ReadOnly("sda") || all.ReadOnly("sda1") || all.Size("gone") != 0 {
		t.Error("attributes are read wrongly")
	}
	if got := all.Holders("sda"); !slices.Equal(got, []string{"md0"}) || all.Holders("sda1") != nil {
		t.Errorf("holders %v", got)
	}
}

func TestASearchEndsWhenNothingMoreIsToCome(t *testing.T) {
	all, looks := machine(t, "vda"), 0
	seen, done, err := all.Search(func([]string) (bool, error) { looks++; return false, nil })
	if done || err != nil || looks != 1 || !slices.Equal(seen, []string{"vda"}) {
		t.Errorf("%v, %v, %v after %d looks", seen, done, err, looks)
	}
}

func TestASearchOfAnEmptyMachineLooksOnce(t *testing.T) {
	looks := 0
	if _, _, err := machine(t).Search(func([]string) (bool, error) { looks++; return false, nil }); err != nil || looks != 1 {
		t.Errorf("%v after %d looks", err, looks)
	}
}

func TestASearchWaitsForAUSBDisk(t *testing.T) {
	all := machine(t, "vda")
	port := filepath.Join(all.Sysfs, "bus/usb/drivers/usb-storage/1-1:1.0/host6")
	if err := os.MkdirAll(port, 0o700); err != nil {
		t.Fatal(err)
	}
	if !all.Pending() {
		t.Fatal("a USB disk that is being looked at counts for nothing")
	}
	found := make(chan error)
	go func() {
		time.Sleep(3 * Quiet)
		add(t, all, "sda")
		found <- os.Mkdir(filepath.Join(port, "target6:0:0"), 0o700)
	}()
	_, done, err := all.Search(func(names []string) (bool, error) { return slices.Contains(names, "sda"), nil })
	if err := <-found; err != nil {
		t.Fatal(err)
	}
	if !done || err != nil || all.Pending() {
		t.Errorf("%v, %v", done, err)
	}
}

func TestASearchEndsWithTheErrorOfALook(t *testing.T) {
	wrong := errors.New("two")
	if _, _, err := machine(t, "vda").Search(func([]string) (bool, error) { return false, wrong }); !errors.Is(err, wrong) {
		t.Errorf("got %v", err)
	}
}

func TestAReasonLeavesTheFilesNameOut(t *testing.T) {
	_, err := os.Open(filepath.Join(t.TempDir(), "none"))
	if got := Reason(err); got != unix.ENOENT.Error() {
		t.Errorf("got %q", got)
	}
	if got := Reason(errors.New("x")); got != "x" {
		t.Errorf("got %q", got)
	}
}
