// Command image-seed gives containerd's root the images that lie unpacked in the node's own root, before containerd starts.
//
//	image-seed [SOURCE [ROOT]]
//
// SOURCE is what builder/images/stores/containerd.py makes. Its records are copied, since containerd writes them; its layers are
// linked to, since they never change, and each lies in a folder named by its chain id, whatever else SOURCE holds.
//
// A ROOT on a disk may be full already. What this same SOURCE put in place is left alone. What another one put there (the node
// runs a new image) is brought up to date: images that somebody else brought stay, containers are forgotten, since none
// runs this early and the kubelet makes them again, and so is every image that has lost a layer with the other SOURCE.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	bolt "go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"
	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/image-store/store"
)

const (
	exitFailure = 4
	snapshotter = "overlayfs"
	// mark holds the id of the source that ROOT was last filled from. While ROOT is being filled there is none.
	mark   = "kubeiso-images"
	layers = "layers"
	// workDirectory is that of the tasks of the last boot. containerd never cleans it up if its state is gone.
	workDirectory = "io.containerd.runtime.v2.task"
)

// lockTimeout is for a database that somebody else has open.
var lockTimeout = 5 * time.Second

func main() {
	arguments := []string{"/usr/share/kubeiso/containerd", "/var/lib/containerd"}
	copy(arguments, os.Args[1:])
	unix.Umask(0o077)
	debug.SetPanicOnFault(true) // what bolt maps into memory may be cut short
	if err := (&seeder{arguments[0], arguments[1], os.TempDir(), os.Stdout, os.Stderr}).seed(context.Background()); err != nil {
		fmt.Fprintf(os.Stderr, "image-seed: %v\n", err)
		os.Exit(exitFailure)
	}
}

// seeder fills root from source; copies that it reads lie below scratch, which is memory. The last line on out is for people; what else is worth to be known goes to log.
type seeder struct {
	source, root, scratch string
	out, log              io.Writer
}

func (s *seeder) seed(ctx context.Context) error {
	id, err := s.id()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(filepath.Join(s.root, workDirectory)); err != nil {
		return err
	}
	usable, err := s.usable()
	if err != nil {
		return err
	}
	before, _ := os.ReadFile(filepath.Join(s.root, mark))
	if strings.TrimSpace(string(before)) == id && usable {
		return s.say("the images are in place")
	}
	all, err := s.stocks(ctx) // before anything is touched: what can't be read is no reason to change what is there
	if err != nil {
		return explained(err)
	}
	if err := s.unmark(); err != nil {
		return explained(err)
	}
	said, err := s.fill(ctx, usable, all)
	if err != nil {
		return explained(err)
	}
	if err := s.setMark(id); err != nil {
		return explained(err)
	}
	return s.say(said)
}

// fill brings root up to date if it has a store. Only where that is broken, it is put aside and another one made.
func (s *seeder) fill(ctx context.Context, usable bool, all []stock) (string, error) {
	if usable {
		changes, err := s.merge(ctx, all)
		if err == nil {
			return "the images of this medium are in place; " + changes.String(), nil
		}
		if !s.isBroken(err) {
			return "", err
		}
		fmt.Fprintf(s.log, "image-seed: the store on the disk is broken: %v\n", err)
	}
	aside, err := s.putAside()
	if err != nil {
		return "", err
	}
	if err := s.begin(); err != nil {
		return "", err
	}
	changes, err := s.merge(ctx, all) // finds all records, and makes the links
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%d images put in place%s", changes.images, aside), s.complete()
}

func (s *seeder) say(text string) error {
	_, err := fmt.Fprintln(s.out, "image-seed:", text)
	return err
}

func (s *seeder) id() (string, error) {
	text, err := os.ReadFile(filepath.Join(s.source, "id"))
	if errors.Is(err, os.ErrNotExist) {
		return "", fmt.Errorf("this medium has no images: %w", err)
	}
	if err != nil {
		return "", explained(ofSource(err))
	}
	return strings.TrimSpace(string(text)), nil
}

// usable says whether root has both databases and they are whole, as far as is known without reading all of them. The error is
// for one that another program has open.
func (s *seeder) usable() (bool, error) {
	for _, name := range []string{store.MetadataFile, store.RecordsFile(snapshotter)} {
		path := filepath.Join(s.root, name)
		about, err := os.Stat(path)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENOTDIR) || err == nil && about.Size() == 0 { // bolt would make an empty file a database
			return false, nil
		}
		if err == nil {
			err = readable(path)
		}
		if err != nil {
			return false, explained(fmt.Errorf("the state disk can't be read: %w", err))
		}
		db, err := bolt.Open(path, 0o600, &bolt.Options{ReadOnly: true, Timeout: lockTimeout})
		if errors.Is(err, bolterrors.ErrTimeout) {
			return false, fmt.Errorf("%s is in use: does containerd run?", path)
		}
		if isOfDisk(err) {
			return false, explained(err)
		}
		if err != nil {
			return false, nil
		}
		_ = db.Close()
	}
	return true, nil
}

// readable reads what a database begins with: bolt says of a disk that does not give it that the database is invalid.
var readable = func(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := file.ReadAt(make([]byte, 2*16384), 0); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// begin fills root, which has no store, with the source's records alone. The metadata, without which root counts as empty, come last.
func (s *seeder) begin() error {
	records := store.RecordsFile(snapshotter)
	if err := os.MkdirAll(filepath.Join(s.root, store.SnapshotsDirectory(snapshotter)), 0o700); err != nil {
		return err
	}
	blobs := filepath.Join(s.root, store.ContentDirectory)
	if err := os.CopyFS(blobs, fromSource{os.DirFS(filepath.Join(s.source, store.ContentDirectory))}); err != nil {
		return err
	}
	for _, name := range []string{records, store.MetadataFile} {
		unix.Sync()
		if err := copyFile(filepath.Join(s.source, name), filepath.Join(s.root, name)); err != nil {
			return err
		}
	}
	return nil
}

// copyFile copies a file under another name first, so that it appears whole.
func copyFile(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	data, err := os.ReadFile(from)
	if err != nil {
		return ofSource(err)
	}
	return writeWhole(to, data)
}

// writeWhole writes a file such that after a power cut it is the old one or the new one.
func writeWhole(path string, data []byte) (err error) {
	aside := path + ".new"
	file, err := os.OpenFile(aside, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = file.Write(data)
	if err = errors.Join(err, file.Sync(), file.Close()); err != nil {
		return err
	}
	return os.Rename(aside, path)
}

func (s *seeder) unmark() error {
	err := os.Remove(filepath.Join(s.root, mark))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	unix.Sync()
	return nil
}

func (s *seeder) setMark(id string) error {
	unix.Sync()
	if err := writeWhole(filepath.Join(s.root, mark), []byte(id+"\n")); err != nil {
		return err
	}
	unix.Sync()
	return nil
}
