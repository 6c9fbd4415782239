package blockdev

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// disk gives a file of so many MiB, with these texts at their places, and what programs leave on it.
func disk(t *testing.T, size int64, texts map[int64]string, programs ...[]string) string {
	t.Helper()
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	path := filepath.Join(t.TempDir(), "disk")
	file, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(size << 20); err != nil {
		t.Fatal(err)
	}
	for _, argv := range programs {
		if said, err := exec.Command(argv[0], append(argv[1:], path)...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", argv, err, said)
		}
	}
	for at, text := range texts {
		if _, err := file.WriteAt([]byte(text), at); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestWhatLibblkidFinds(t *testing.T) {
	luks := "LUKS\xba\xbe\x00\x01"
	for name, test := range map[string]struct {
		path, want string
	}{
		"blank":          {disk(t, 8, nil), "no signature"},
		"noise":          {disk(t, 8, map[int64]string{4096: "text"}), "no signature"},
		"ext4":           {disk(t, 8, nil, []string{"mke2fs", "-q", "-t", "ext4", "-L", "a \"b"}), `ext4 "a \"b"`},
		"a table":        {disk(t, 8, map[int64]string{446: "\x00\x00\x02\x00\x83\x00\x00\x00\x01\x00\x00\x00\x01", 510: "\x55\xaa"}), "partition table (dos)"},
		"LUKS":           {disk(t, 8, map[int64]string{0: luks}), "crypto_LUKS"},
		"LUKS over ext4": {disk(t, 8, map[int64]string{0: luks}, []string{"mke2fs", "-q", "-t", "ext4"}), "crypto_LUKS"},
	} {
		found, err := Probe(test.path)
		if err != nil || found.String() != test.want || found.Blank() != (test.want == "no signature") {
			t.Errorf("%s: got %+v (%s), want %s: %v", name, found, found, test.want, err)
		}
	}
}

func TestAProbeThatDoesNotRunIsNoBlankDisk(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	if found, err := Probe("/dev/null"); err == nil {
		t.Errorf("got %+v", found)
	}
}

// Newer versions of libblkid take the swap for what there is.
func TestTwoKindsAreToldOrTheLatterIs(t *testing.T) {
	texts := map[int64]string{4086: "SWAPSPACE2", 1024: "\x01\x00\x00\x00\xff\x07\x00\x00"}
	found, err := Probe(disk(t, 8, texts, []string{"mke2fs", "-q", "-t", "ext4"}))
	if err != nil || !found.Ambiguous && found.Type != "swap" || found.Ambiguous && found.String() != "signatures of several kinds" {
		t.Errorf("got %+v, %v", found, err)
	}
}
