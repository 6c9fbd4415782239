// Package crash keeps what a kernel leaves of itself: its messages while it lives, and its last words after it died.
package crash

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// Pstore is where the kernel shows what the firmware or the platform kept over a reset (Documentation/ABI/testing/pstore).
	Pstore = "/sys/fs/pstore"
	// Kept is for how many crashes their last words stay on the disk.
	Kept = 10
	// maxRecord bounds one record, in bytes; the kernel's are of a few kB (kmsg_bytes).
	maxRecord = 1 << 20
)

// cause is the line of a record that says what the kernel died of, without what stands before it.
var cause = regexp.MustCompile(`(?m)(Kernel panic - not syncing: .*|Oops: .*|kernel BUG at .*|BUG: .*|general protection fault.*)$`)

// Crash is what was found of a kernel that died. Folder is where its records lie now.
type Crash struct {
	Cause  string
	Folder string
	Files  int
}

// Collect moves the kernel's records from `from` into a folder of their own below `to`, whose name is the time, and forgets all but
// the last crashes. What can't be written stays where it is, for the next boot; so does everything where `to` is in memory.
// Nil where the kernel left nothing.
func Collect(from, to string, now time.Time) (*Crash, error) {
	records, err := read(from)
	if err != nil || len(records) == 0 {
		return nil, err
	}
	found := &Crash{Cause: causeOf(records), Folder: from, Files: len(records)}
	if err := os.MkdirAll(to, 0o750); err != nil {
		return found, err
	}
	if inMemory(to) {
		return found, nil
	}
	if found.Folder, err = keep(records, to, now); err != nil {
		found.Folder = from
		return found, err
	}
	for name := range records {
		_ = os.Remove(filepath.Join(from, name))
	}
	return found, forget(to, Kept)
}

func read(from string) (map[string][]byte, error) {
	entries, err := os.ReadDir(from)
	if err != nil {
		if os.IsNotExist(err) {
			return nil, nil
		}
		return nil, err
	}
	records := map[string][]byte{}
	for _, entry := range entries {
		if !entry.Type().IsRegular() {
			continue
		}
		text, err := readBounded(filepath.Join(from, entry.Name()))
		if err != nil {
			return nil, err
		}
		records[entry.Name()] = text
	}
	return records, nil
}

func readBounded(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	text, _ := io.ReadAll(io.LimitReader(file, maxRecord)) // what can be read of it
	return text, nil
}

// causeOf gives the panic's own words before those of what led to it.
func causeOf(records map[string][]byte) string {
	found := "the kernel left its last messages"
	for _, name := range slices.Sorted(maps.Keys(records)) {
		for _, match := range cause.FindAllString(string(records[name]), -1) {
			if found = strings.TrimSpace(match); strings.HasPrefix(found, "Kernel panic") {
				return found
			}
		}
	}
	return found
}

// inMemory says whether what is written there is gone with the next boot.
func inMemory(path string) bool {
	var found unix.Statfs_t
	return unix.Statfs(path, &found) == nil && found.Type == unix.TMPFS_MAGIC
}

// keep writes the records aside and renames their folder: it is whole, or not there.
func keep(records map[string][]byte, to string, now time.Time) (string, error) {
	place, err := free(to, now.UTC().Format("2006-01-02T15-04-05Z"))
	if err != nil {
		return "", err
	}
	aside := place + ".new"
	if err := os.RemoveAll(aside); err != nil {
		return "", err
	}
	if err := os.Mkdir(aside, 0o750); err != nil {
		return "", err
	}
	for name, text := range records {
		if err := write(filepath.Join(aside, name), text); err != nil {
			_ = os.RemoveAll(aside)
			return "", err
		}
	}
	if err := os.Rename(aside, place); err != nil {
		return "", err
	}
	return place, syncFolder(to)
}

// free gives a path that nothing has yet: two boots may say the same time.
func free(to, name string) (string, error) {
	for number := range 100 {
		path := filepath.Join(to, name)
		if number > 0 {
			path = fmt.Sprintf("%s.%d", path, number)
		}
		if _, err := os.Lstat(path); os.IsNotExist(err) {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w", filepath.Join(to, name), fs.ErrExist)
}

func write(path string, text []byte) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o640)
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Sync(), file.Close())
}

func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	defer folder.Close()
	return folder.Sync()
}

// forget removes all but the newest folders; their names are times.
func forget(from string, count int) error {
	entries, err := os.ReadDir(from)
	if err != nil {
		return err
	}
	for _, entry := range entries[:max(0, len(entries)-count)] {
		if err := os.RemoveAll(filepath.Join(from, entry.Name())); err != nil {
			return err
		}
	}
	return nil
}
