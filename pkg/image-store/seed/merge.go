package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	bolt "go.etcd.io/bbolt"

	"kubeiso.dev/pkg/image-store/store"
)

// changes counts what a merge did: names of images added and lost, and containers. images is how many the source has.
type changes struct {
	images, added, lost, containers int
}

func (c changes) String() string {
	return fmt.Sprintf("%d names of images new or changed, %d without their layers removed, %d containers of before forgotten",
		c.added, c.lost, c.containers)
}

// stock is all that the source has in one namespace.
type stock struct {
	namespace string
	snapshots map[string]*store.Snapshot
	blobs     []content.Info
	images    []images.Image
}

// merge gives root all that the source has, and takes from it what can't work any more. It may be interrupted anywhere and
// done again.
func (s *seeder) merge(ctx context.Context, all []stock) (done changes, err error) {
	err = guarded(func() error {
		into, err := store.Open(ctx, s.root, snapshotter, &bolt.Options{Timeout: lockTimeout})
		if err != nil {
			return err
		}
		err = s.change(ctx, into, all, &done)
		return errors.Join(err, into.Close()) // not deferred: after a panic, bolt would wait for itself
	})
	return done, err
}

func (s *seeder) change(ctx context.Context, into *store.Store, all []stock, done *changes) error {
	if err := s.forget(ctx, into, all, done); err != nil {
		return fmt.Errorf("clearing what was there: %w", err)
	}
	for _, each := range all {
		if err := s.add(namespaces.WithNamespace(ctx, each.namespace), into, each, done); err != nil {
			return err
		}
	}
	return nil
}

// stocks reads the source by means of copies of its databases, since bolt opens no file on a read-only file system for what
// containerd's packages do to it. What goes wrong is the source's fault.
func (s *seeder) stocks(ctx context.Context) (all []stock, err error) {
	err = guarded(func() error { all, err = s.read(ctx); return err })
	return all, ofSource(err)
}

func (s *seeder) read(ctx context.Context) (all []stock, err error) {
	aside, err := os.MkdirTemp(s.scratch, "kubeiso-source")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(aside)) }()
	for _, name := range []string{store.RecordsFile(snapshotter), store.MetadataFile} {
		if err := copyFile(filepath.Join(s.source, name), filepath.Join(aside, name)); err != nil {
			return nil, err
		}
	}
	from, err := store.Open(ctx, aside, snapshotter, &bolt.Options{NoSync: true})
	if err != nil {
		return nil, err
	}
	names, err := from.Namespaces(ctx)
	for _, name := range names {
		read, failed := stockOf(namespaces.WithNamespace(ctx, name), from, name)
		all, err = append(all, read), errors.Join(err, failed)
	}
	return all, errors.Join(err, from.Close())
}

func stockOf(ctx context.Context, from *store.Store, namespace string) (read stock, err error) {
	read.namespace = namespace
	if read.snapshots, err = from.Snapshots(ctx); err != nil {
		return read, err
	}
	if read.images, err = metadata.NewImageStore(from.DB).List(ctx); err != nil {
		return read, err
	}
	err = from.ContentStore().Walk(ctx, func(blob content.Info) error {
		read.blobs = append(read.blobs, blob)
		return nil
	})
	return read, err
}

// add gives root what the source has in one namespace.
func (s *seeder) add(ctx context.Context, into *store.Store, from stock, done *changes) error {
	if err := into.AddNamespace(ctx, from.namespace); err != nil {
		return err
	}
	if err := s.addSnapshots(ctx, into, from.snapshots); err != nil {
		return err
	}
	for _, blob := range from.blobs {
		if err := s.addBlob(ctx, into, blob); err != nil {
			return fmt.Errorf("blob %s: %w", blob.Digest, err)
		}
	}
	names, seen := metadata.NewImageStore(into.DB), map[digest.Digest]bool{}
	for _, image := range from.images {
		changed, err := addImage(ctx, names, image)
		if err != nil {
			return fmt.Errorf("image %s: %w", image.Name, err)
		}
		seen[image.Target.Digest] = true
		if changed {
			done.added++
		}
	}
	done.images += len(seen)
	return nil
}

// addSnapshots makes the records that are missing, parents first, and links all folders to the layers.
func (s *seeder) addSnapshots(ctx context.Context, into *store.Store, wanted map[string]*store.Snapshot) error {
	there, err := into.Snapshots(ctx)
	if err != nil {
		return err
	}
	made := map[string]bool{}
	var commit func(name string) error
	commit = func(name string) error {
		if name == "" || there[name] != nil || made[name] {
			return nil
		}
		if wanted[name] == nil {
			return ofSource(fmt.Errorf("the medium lacks the snapshot %s, a parent of another", name))
		}
		if err := commit(wanted[name].Parent); err != nil {
			return err
		}
		made[name] = true
		return into.Commit(ctx, *wanted[name])
	}
	for name := range wanted {
		if err := commit(name); err != nil {
			return fmt.Errorf("snapshot %s: %w", name, err)
		}
	}
	if there, err = into.Snapshots(ctx); err != nil {
		return err
	}
	for name := range wanted {
		if err := s.link(there[name]); err != nil {
			return fmt.Errorf("snapshot %s: %w", name, err)
		}
	}
	return nil
}

// folder is where a snapshot's files are.
func (s *seeder) folder(snapshot *store.Snapshot) string {
	return filepath.Join(s.root, store.SnapshotsDirectory(snapshotter), snapshot.Number)
}

// link makes a snapshot's folder a link to the layer of the source. A real folder stays: the same layer was pulled once.
func (s *seeder) link(snapshot *store.Snapshot) error {
	folder, layer := s.folder(snapshot), filepath.Join(s.source, layers, strings.TrimPrefix(snapshot.Name, "sha256:"))
	if _, err := os.Stat(layer); err != nil {
		return ofSource(fmt.Errorf("the medium lacks the layer: %w", err))
	}
	target, err := os.Readlink(folder)
	switch {
	case target == layer:
		return nil
	case err == nil:
		if err := os.Remove(folder); err != nil {
			return err
		}
	case !errors.Is(err, os.ErrNotExist):
		return nil
	}
	return os.Symlink(layer, folder)
}

// addBlob adds content that is missing, or whose file is not whole, and the labels that keep it and what it refers to.
func (s *seeder) addBlob(ctx context.Context, into *store.Store, blob content.Info) error {
	blobs := into.ContentStore()
	if err := s.dropBroken(ctx, blobs, blob); err != nil {
		return err
	}
	had, err := blobs.Info(ctx, blob.Digest)
	if errdefs.IsNotFound(err) {
		return s.writeBlob(ctx, into, blob)
	}
	if err != nil {
		return err
	}
	var missing []string
	for name, value := range blob.Labels {
		if had.Labels[name] != value {
			missing = append(missing, "labels."+name)
		}
	}
	if missing == nil {
		return nil
	}
	_, err = blobs.Update(ctx, content.Info{Digest: blob.Digest, Labels: blob.Labels}, missing...)
	return err
}

// dropBroken removes what is there of a blob whose file is not whole.
func (s *seeder) dropBroken(ctx context.Context, blobs content.Store, blob content.Info) error {
	file := store.BlobFile(s.root, blob.Digest)
	if about, err := os.Stat(file); err == nil && about.Size() == blob.Size {
		return nil
	}
	if err := blobs.Delete(ctx, blob.Digest); err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	return os.RemoveAll(file)
}

// writeBlob copies a blob of the source that is whole.
func (s *seeder) writeBlob(ctx context.Context, into *store.Store, blob content.Info) error {
	data, err := os.ReadFile(store.BlobFile(s.source, blob.Digest))
	if err != nil {
		return ofSource(err)
	}
	if digest.FromBytes(data) != blob.Digest {
		return ofSource(errors.New("the medium has other bytes than it says"))
	}
	return into.AddBlob(ctx, bytes.NewReader(data), blob.Digest, blob.Size, blob.Labels)
}

// addImage makes a name of an image mean what it means in the source.
func addImage(ctx context.Context, names images.Store, image images.Image) (changed bool, err error) {
	had, err := names.Get(ctx, image.Name)
	if errdefs.IsNotFound(err) {
		_, err = names.Create(ctx, image)
		return true, err
	}
	if err != nil || had.Target.Digest == image.Target.Digest && maps.Equal(had.Labels, image.Labels) {
		return false, err
	}
	_, err = names.Update(ctx, image)
	return true, err
}
