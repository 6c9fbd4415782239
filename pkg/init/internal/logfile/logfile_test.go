package logfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

func TestRotation(t *testing.T) {
	tests := []struct {
		name         string
		before       string
		writes       []string
		now, rotated string
	}{
		{"below the limit", "", []string{"aaaa", "bbbb"}, "aaaabbbb", ""},
		{"exactly the limit", "", []string{"aaaa", "bbbbbb"}, "aaaabbbbbb", ""},
		{"over the limit", "", []string{"aaaa", "bbbbbbb"}, "bbbbbbb", "aaaa"},
		{"twice", "", []string{"aaaaaa", "bbbbbb", "cccccc"}, "cccccc", "bbbbbb"},
		{"one write over the limit", "", []string{strings.Repeat("x", 30)}, strings.Repeat("x", 30), ""},
		{"counts what was there", "12345678", []string{"abc"}, "abc", "12345678"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log/kubelet.log")
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(test.before), 0o600); err != nil {
				t.Fatal(err)
			}
			log := open(path, 10)
			for _, text := range test.writes {
				if n, err := log.Write([]byte(text)); n != len(text) || err != nil {
					t.Fatalf("write gave %d, %v", n, err)
				}
			}
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
			if now, rotated := read(t, path), read(t, path+".1"); now != test.now || rotated != test.rotated {
				t.Errorf("got %q and %q", now, rotated)
			}
		})
	}
}

func TestOpenMakesFolderAndCloseIsFinal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a/b.log")
	log := Open(path)
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := log.Write([]byte("late")); n != 4 || err != nil || read(t, path) != "" {
		t.Errorf("write after close: %d, %v", n, err)
	}
}

// fullDisk gives a folder that takes a few kilobytes in all, and a function that makes room on it.
func fullDisk(t *testing.T) (dir string, makeRoom func()) {
	t.Helper()
	dir = t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=8k,nr_inodes=3"); err != nil {
		t.Skipf("this test mounts a small disk, which takes root: %v", err)
	}
	t.Cleanup(func() { _ = unix.Unmount(dir, unix.MNT_DETACH) })
	filler := filepath.Join(dir, "filler")
	if err := os.WriteFile(filler, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, func() { _ = os.Remove(filler) }
}

func TestALogComesBackOnceTheDiskHasRoomAgain(t *testing.T) {
	dir, makeRoom := fullDisk(t)
	path := filepath.Join(dir, "kubelet.log")
	log := open(path, 10)
	defer log.Close()
	log.Write([]byte("aaaaaaaa"))
	log.Write([]byte("bbbbbbbb")) // moves the first away, and there is no inode for another
	if got := read(t, path); got != "" {
		t.Fatalf("the disk is not full: %q", got)
	}
	makeRoom()
	log.refused = log.refused.Add(-retryPeriod)
	if log.Write([]byte("cccc")); read(t, path) != "cccc" {
		t.Errorf("got %q", read(t, path))
	}
}

func TestALogThatCouldNotBeOpenedIsLater(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte("a file where a folder shall be"), 0o600); err != nil {
		t.Fatal(err)
	}
	log := Open(filepath.Join(path, "x.log"))
	defer log.Close()
	log.Write([]byte("lost"))
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	log.refused = log.refused.Add(-retryPeriod)
	if log.Write([]byte("kept")); read(t, filepath.Join(path, "x.log")) != "kept" {
		t.Error("the log did not come back")
	}
}

func TestSealedLogsHoldNoDisk(t *testing.T) {
	t.Cleanup(func() { sealed = false })
	path := filepath.Join(t.TempDir(), "kernel.log")
	log, before := Open(path), Open(path+".ended")
	_ = before.Close()
	_, _ = log.Write([]byte("early\n"))
	Seal()
	late := Open(path)
	for _, each := range []*File{log, late, before} {
		if _, err := each.Write([]byte("late\n")); err != nil || each.file != nil {
			t.Errorf("a log is open: %v", err)
		}
	}
	if text := read(t, path); text != "early\n" || len(opened) != 0 {
		t.Errorf("%q, %d are known", text, len(opened))
	}
}

func TestAWriteThatHangsDoesNotHoldTheSeal(t *testing.T) {
	t.Cleanup(func() { sealed = false })
	hangs, other := Open(filepath.Join(t.TempDir(), "a")), Open(filepath.Join(t.TempDir(), "b"))
	hangs.mu.Lock()
	begin := time.Now()
	Seal()
	if took := time.Since(begin); took < sealPeriod || other.file != nil {
		t.Errorf("after %v, the other log: %v", took, other.file)
	}
	hangs.mu.Unlock()
}
