package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"strings"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/image-store/store"
)

// errPanic says that bolt met a page that is broken.
var errPanic = errors.New("the database is broken")

// sourceError is a fault of the medium, not of what lies on the disk.
type sourceError struct{ cause error }

func (e *sourceError) Error() string { return "reading this medium's images: " + e.cause.Error() }
func (e *sourceError) Unwrap() error { return e.cause }

// ofSource says that a fault is the medium's; nil stays nil.
func ofSource(err error) error {
	var known *sourceError
	if err == nil || errors.As(err, &known) {
		return err
	}
	return &sourceError{err}
}

// fromSource is a folder of the medium; what goes wrong in reading it is the medium's fault.
type fromSource struct{ fs.FS }

func (f fromSource) Open(name string) (fs.File, error) {
	file, err := f.FS.Open(name)
	return sourceFile{file}, ofSource(err)
}

func (f fromSource) ReadDir(name string) ([]fs.DirEntry, error) {
	entries, err := fs.ReadDir(f.FS, name)
	return entries, ofSource(err)
}

type sourceFile struct{ fs.File }

func (f sourceFile) Read(data []byte) (int, error) {
	count, err := f.File.Read(data)
	if errors.Is(err, io.EOF) {
		return count, err
	}
	return count, ofSource(err)
}

// ofDisk are faults of the disk or of its file system, which no other store on it would mend.
var ofDisk = []error{unix.ENOSPC, unix.EDQUOT, unix.EIO, unix.EROFS, unix.EACCES, unix.EPERM, unix.ENOMEM, unix.EMFILE}

// isOfDisk says whether the fault is one of those. bolt and others pass on the words of some errors only.
func isOfDisk(err error) bool {
	return slices.ContainsFunc(ofDisk, func(each error) bool { return says(err, each) })
}

func says(err, cause error) bool {
	return err != nil && (errors.Is(err, cause) || strings.Contains(err.Error(), cause.Error()))
}

// isBroken says whether, after that fault, the store on the disk is one that no program can use: not where the medium or the disk
// failed, and not where both databases are whole.
func (s *seeder) isBroken(err error) bool {
	var source *sourceError
	if errors.As(err, &source) || isOfDisk(err) {
		return false
	}
	for _, name := range []string{store.MetadataFile, store.RecordsFile(snapshotter)} {
		if wrong := examine(filepath.Join(s.root, name)); isOfDisk(wrong) {
			return false
		} else if wrong != nil {
			return true
		}
	}
	return errors.Is(err, errPanic)
}

// guarded does what has bolt read a database, which may have broken pages, or be cut short where it is mapped into memory: a fault is
// an error then, and no end of the program.
func guarded(do func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if reason := recover(); reason != nil {
			err = fmt.Errorf("%w: %v", errPanic, reason)
		}
	}()
	return do()
}

// examine reads all of a database. bolt's own check does it in a goroutine, whose fault would end the program.
func examine(path string) error {
	return guarded(func() error {
		db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: lockTimeout})
		if err != nil {
			return err
		}
		err = db.View(func(tx *bolt.Tx) error {
			return tx.ForEach(func(_ []byte, bucket *bolt.Bucket) error { return readAll(bucket) })
		})
		return errors.Join(err, db.Close())
	})
}

// readAll touches each byte of a bucket and of those in it.
func readAll(bucket *bolt.Bucket) error {
	return bucket.ForEach(func(key, value []byte) error {
		if inner := bucket.Bucket(key); value == nil && inner != nil {
			return readAll(inner)
		}
		_ = bytes.Count(value, []byte{0})
		return nil
	})
}

// explained adds what to do about a fault of the medium or of the disk.
func explained(err error) error {
	var source *sourceError
	switch {
	case errors.As(err, &source) && !errors.Is(err, unix.ENOSPC):
		return fmt.Errorf("%w\nnext: write the medium anew, or take another drive; what lies on the state disk was not touched", err)
	case says(err, unix.ENOSPC), errors.Is(err, unix.EDQUOT):
		return fmt.Errorf("%w\nnext: make room on the state disk, or enlarge it; no image on it was removed", err)
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("%w: does containerd run?", err)
	}
	return err
}

const (
	// begun is there while root holds nothing but what a first fill put there.
	begun = "kubeiso-images-begun"
	// brokenStores has the stores that could not be used any more: what others brought lies in them, and is not ours to remove.
	brokenStores = "kubeiso-broken"
)

// parts are the folders of a store, the metadata's last: without it a store counts as none.
func parts() []string {
	return []string{store.ContentDirectory, filepath.Dir(store.RecordsFile(snapshotter)), filepath.Dir(store.MetadataFile)}
}

// putAside leaves root without a store, and says where the one that was there is now. One that was filled halfway is removed, since
// there is nothing in it but the medium's.
func (s *seeder) putAside() (said string, err error) {
	if _, err := os.Stat(filepath.Join(s.root, begun)); err != nil {
		if said, err = s.moveAway(); err != nil {
			return said, err
		}
	}
	for _, name := range parts() {
		if err := os.RemoveAll(filepath.Join(s.root, name)); err != nil {
			return said, err
		}
	}
	return said, errors.Join(os.MkdirAll(s.root, 0o711), writeWhole(filepath.Join(s.root, begun), nil))
}

// moveAway moves what there is of a store into a folder of its own.
func (s *seeder) moveAway() (said string, err error) {
	place := ""
	for _, name := range parts() {
		from := filepath.Join(s.root, name)
		about, err := os.Lstat(from)
		if errors.Is(err, os.ErrNotExist) || err == nil && !about.IsDir() {
			continue
		}
		if err != nil {
			return said, err
		}
		if place == "" {
			if place, err = s.placeAside(); err != nil {
				return "", err
			}
			said = "; the broken store is in " + place + " now, with all that was not this medium's"
		}
		to := filepath.Join(place, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o700), os.Rename(from, to)); err != nil {
			return said, err
		}
	}
	unix.Sync()
	return said, nil
}

func (s *seeder) placeAside() (string, error) {
	all := filepath.Join(s.root, brokenStores)
	if err := os.MkdirAll(all, 0o700); err != nil {
		return "", err
	}
	return os.MkdirTemp(all, "")
}

// complete says that root holds a store as any other from now on.
func (s *seeder) complete() error {
	unix.Sync()
	return os.Remove(filepath.Join(s.root, begun))
}
