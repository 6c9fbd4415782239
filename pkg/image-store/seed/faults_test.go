package main

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/opencontainers/go-digest"
	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/image-store/store"
)

// fails seeds root, which has to fail, and gives the error.
func fails(t *testing.T, source, root string) error {
	t.Helper()
	var log bytes.Buffer
	err := (&seeder{source, root, t.TempDir(), &log, &log}).seed(context.Background())
	if err == nil {
		t.Fatalf("no error\n%s", &log)
	}
	return err
}

// unreadable puts in a file's place one whose reading gives the error of a bad sector.
func unreadable(path string) error {
	return errors.Join(os.Rename(path, path+".good"), os.Symlink("/proc/self/mem", path))
}

func TestAFaultOfTheMediumTouchesNothingOnTheDisk(t *testing.T) {
	for why, damage := range map[string]func(source string) string{
		"an unreadable database":    func(source string) string { return filepath.Join(source, store.MetadataFile) },
		"unreadable records":        func(source string) string { return filepath.Join(source, store.RecordsFile(snapshotter)) },
		"an unreadable blob":        func(source string) string { return store.BlobFile(source, digest.FromBytes(apiNew.config())) },
		"an unreadable name":        func(source string) string { return filepath.Join(source, "id") },
		"a scribbled database":      nil,
		"a blob with other content": nil,
	} {
		t.Run(why, func(t *testing.T) {
			root, good := t.TempDir(), medium(t, pause, api)
			boot(t, good, root)
			pull(t, root, own)
			bad := medium(t, pause, apiNew, dns)
			switch {
			case damage != nil:
				check(t, unreadable(damage(bad)))
			case strings.HasPrefix(why, "a blob"):
				check(t, os.WriteFile(store.BlobFile(bad, digest.FromBytes(dns.config())), bytes.Repeat([]byte("x"), len(dns.config())), 0o600))
			default:
				path := filepath.Join(bad, store.MetadataFile)
				data, err := os.ReadFile(path)
				check(t, err)
				check(t, os.WriteFile(path, append(data[:8192], bytes.Repeat([]byte{0xA5}, len(data)-8192)...), 0o600))
			}
			err := fails(t, bad, root)
			if !strings.Contains(err.Error(), "reading this medium's images") || !strings.Contains(err.Error(), "next: write the medium anew") {
				t.Errorf("said %v", err)
			}
			boot(t, good, root)
			expect(t, root, map[string]toy{"brought": own, "carried": pause, "carried, too": api})
		})
	}
}

func TestADiskThatGivesNoBytesIsNoBrokenStore(t *testing.T) {
	good, next, root := medium(t, pause, api), medium(t, dns, pause, apiNew), t.TempDir()
	boot(t, good, root)
	pull(t, root, own)
	before := readable
	t.Cleanup(func() { readable = before })
	for _, name := range []string{store.MetadataFile, store.RecordsFile(snapshotter)} {
		readable = func(path string) error {
			if path == filepath.Join(root, name) {
				return &fs.PathError{Op: "read", Path: path, Err: unix.EIO}
			}
			return before(path)
		}
		for _, source := range []string{good, next} {
			err := fails(t, source, root)
			if !strings.Contains(err.Error(), "the state disk can't be read") || !errors.Is(err, unix.EIO) {
				t.Errorf("said %v", err)
			}
		}
		if _, err := os.Stat(filepath.Join(root, brokenStores)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("something was moved: %v", err)
		}
	}
	readable = before
	boot(t, good, root)
	expect(t, root, map[string]toy{"brought": own, "carried": pause, "carried, too": api})
}

func TestWhatADatabaseBeginsWithIsRead(t *testing.T) {
	if err := readable("/proc/self/mem"); !errors.Is(err, unix.EIO) {
		t.Errorf("no fault: %v", err)
	}
	short := filepath.Join(t.TempDir(), "short")
	check(t, os.WriteFile(short, []byte("x"), 0o600))
	if err := readable(short); err != nil {
		t.Errorf("a file that was cut short is for bolt to judge: %v", err)
	}
}

// disk gives a folder that has so many MiB of room.
func disk(t *testing.T, size string) string {
	t.Helper()
	root := t.TempDir()
	if err := unix.Mount("tmpfs", root, "tmpfs", 0, "size="+size); errors.Is(err, unix.EPERM) {
		t.Skip("only root may mount")
	} else {
		check(t, err)
	}
	t.Cleanup(func() { check(t, unix.Unmount(root, unix.MNT_DETACH)) })
	return root
}

// fill leaves so many bytes of room below root, and gives what frees the rest.
func fill(t *testing.T, root string, left int64) func() {
	t.Helper()
	var about unix.Statfs_t
	check(t, unix.Statfs(root, &about))
	path := filepath.Join(root, "filler")
	check(t, os.WriteFile(path, make([]byte, max(int64(about.Bavail)*about.Bsize-left, 0)), 0o600))
	return func() { check(t, os.Remove(path)) }
}

func TestAFullDiskLosesNothing(t *testing.T) {
	good, next := medium(t, pause, api), medium(t, dns, pause, apiNew, proxy)
	for _, left := range []int64{0, 4 << 10, 16 << 10, 64 << 10, 128 << 10} {
		root := disk(t, "6m")
		boot(t, good, root)
		pull(t, root, own)
		free := fill(t, root, left)
		var log bytes.Buffer
		err := (&seeder{next, root, t.TempDir(), &log, &log}).seed(context.Background())
		if err != nil && !strings.Contains(err.Error(), "next: make room on the state disk") {
			t.Errorf("%d bytes left: said %v", left, err)
		}
		if left == 0 && err == nil {
			t.Error("no error")
		}
		free()
		boot(t, good, root) // the medium of before
		expect(t, root, map[string]toy{"brought": own, "carried": pause, "carried, too": api})
		boot(t, next, root)
		expect(t, root, map[string]toy{"brought": own, "carried": pause, "new": dns, "changed": apiNew})
	}
}

func TestAnEmptyDiskThatIsTooSmallGoesOnOnceItIsEnlarged(t *testing.T) {
	root, source := disk(t, "6m"), medium(t, pause, api, proxy)
	free := fill(t, root, 40<<10)
	if err := fails(t, source, root); !strings.Contains(err.Error(), "next: make room on the state disk") {
		t.Errorf("said %v", err)
	}
	free()
	boot(t, source, root)
	expect(t, root, map[string]toy{"pause": pause, "api": api})
	if _, err := os.Stat(filepath.Join(root, brokenStores)); err == nil {
		t.Error("what a first fill left was put aside")
	}
}

func TestABrokenStoreIsPutAsideWithWhatOthersBrought(t *testing.T) {
	root := t.TempDir()
	boot(t, medium(t, pause, api), root)
	pull(t, root, own)
	check(t, os.Truncate(filepath.Join(root, store.MetadataFile), 3*4096))
	said, log := boot(t, medium(t, pause, apiNew), root)
	if !strings.Contains(said, "the broken store is in "+root+"/"+brokenStores+"/") {
		t.Errorf("said %q, log %q", said, log)
	}
	expect(t, root, map[string]toy{"kept": pause, "changed": apiNew}, own)
	found := 0
	check(t, filepath.WalkDir(filepath.Join(root, brokenStores), func(path string, entry fs.DirEntry, err error) error {
		if filepath.Base(path) == digest.FromBytes(own.config()).Encoded() || filepath.Base(filepath.Dir(path)) == "snapshots" && entry.IsDir() {
			found++
		}
		return err
	}))
	if found != 3 { // its config, and its two layers
		t.Errorf("%d of 3 parts of the user's own image are left", found)
	}
}

// What containerd's own code can't make sense of, though both databases are whole, is for people to look at.
func TestAStoreThatIsWholeIsNeverPutAside(t *testing.T) {
	root := t.TempDir()
	boot(t, medium(t, pause), root)
	s := &seeder{"", root, "", nil, nil}
	for _, err := range []error{errors.New("strange"), unix.ENOSPC, unix.EIO, ofSource(errPanic), errors.New("write x: " + unix.ENOSPC.Error())} {
		if s.isBroken(err) {
			t.Errorf("%v: broken", err)
		}
	}
	check(t, os.Truncate(filepath.Join(root, store.MetadataFile), 2*4096))
	if !s.isBroken(errors.New("strange")) || s.isBroken(unix.ENOSPC) {
		t.Error("a broken one is not")
	}
}
