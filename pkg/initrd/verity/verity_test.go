package verity

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unsafe"
)

func TestWhatTheKernelReads(t *testing.T) {
	if size := unsafe.Sizeof(header{}); size != 312 {
		t.Errorf("struct dm_ioctl has %d bytes", size)
	}
	if size := unsafe.Sizeof(target{}); size != 40 {
		t.Errorf("struct dm_target_spec has %d bytes", size)
	}
	hash := strings.Repeat("ab", 32)
	made := table("/dev/loop3", Root{Blocks: 100, Hash: hash})
	if want := "1 /dev/loop3 /dev/loop3 4096 4096 100 101 sha256 " + hash + " -"; made.text != want || made.sectors != 800 {
		t.Errorf("got %d %q, want 800 %q", made.sectors, made.text, want)
	}
}

func TestDamageIsToldByTheLayersName(t *testing.T) {
	sys := t.TempDir()
	loop := filepath.Join(sys, "dev/block/7:3/loop")
	if err := errors.Join(os.MkdirAll(loop, 0o700), os.WriteFile(filepath.Join(loop, "backing_file"), []byte("/m/layer-1.squashfs (deleted)\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		message string
		want    *Damage
	}{
		{"3,1050,1234,-;device-mapper: verity: 7:3: data block 17 is corrupted\n", &Damage{"layer-1.squashfs", 17}},
		{"3,1050,1234,-;device-mapper: verity: 7:3: metadata block 5 is corrupted\n", &Damage{"layer-1.squashfs", 5}},
		{"3,1050,1234,-;device-mapper: verity: 7:9: data block 17 is corrupted\n", &Damage{"the layer below the block device 7:9", 17}},
		{"6,1050,1234,-;device-mapper: verity: sha256 using implementation \"sha256-generic\"\n", nil},
		{"3,1050,1234,-;SQUASHFS error: Failed to read block 0x0: -5\n", nil},
	}
	for _, test := range tests {
		found := Read(test.message, sys)
		if (found == nil) != (test.want == nil) || found != nil && *found != *test.want {
			t.Errorf("%q: got %v, want %v", test.message, found, test.want)
		}
	}
}

func TestRootsThatAreNone(t *testing.T) {
	for _, root := range []Root{{0, strings.Repeat("a", 64)}, {-1, strings.Repeat("a", 64)}, {1, ""}, {1, "abc"}} {
		if root.Check() == nil {
			t.Errorf("%v passes", root)
		}
	}
}
