// Package store reads and writes the records of a containerd store with containerd's own packages, while no containerd runs.
package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/core/metadata/boltutil"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/errdefs"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	bolt "go.etcd.io/bbolt"
)

// Where containerd 2's plugins keep their data below its root.
const (
	MetadataFile     = "io.containerd.metadata.v1.bolt/meta.db"
	ContentDirectory = "io.containerd.content.v1.content"

	snapshotterDirectory = "io.containerd.snapshotter.v1."
)

// RecordsFile is a snapshotter's database below containerd's root.
func RecordsFile(snapshotter string) string {
	return snapshotterDirectory + snapshotter + "/metadata.db"
}

// SnapshotsDirectory has a folder for each of the snapshotter's snapshots, named by its number.
func SnapshotsDirectory(snapshotter string) string {
	return snapshotterDirectory + snapshotter + "/snapshots"
}

// Snapshot is a snapshot: if committed, an unpacked layer on top of its parent. Size is in bytes.
type Snapshot struct {
	Name   string            `json:"name"`
	Parent string            `json:"parent"`
	Labels map[string]string `json:"labels"`
	Size   int64             `json:"size"`
	Inodes int64             `json:"inodes"`

	// Number is the name of its folder; nothing if the snapshotter does not know it.
	Number    string `json:"-"`
	Committed bool   `json:"-"`
	backend   string // its name in the snapshotter's database
}

// Store is a store that is open.
type Store struct {
	*metadata.DB
	snapshotter string
	records     *recorder
}

// Open opens the store below root with one of its snapshotters. The directories of both databases must be there. The options
// are those of the metadata's database.
func Open(ctx context.Context, root, snapshotter string, options *bolt.Options) (*Store, error) {
	db, err := bolt.Open(filepath.Join(root, MetadataFile), 0o600, options)
	if err != nil {
		return nil, fmt.Errorf("opening %s: %w", MetadataFile, err)
	}
	blobs, err := local.NewStore(filepath.Join(root, ContentDirectory))
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	records, err := openRecorder(filepath.Join(root, RecordsFile(snapshotter)))
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	opened := &Store{metadata.NewDB(db, blobs, map[string]snapshots.Snapshotter{snapshotter: records}), snapshotter, records}
	if err := opened.Init(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("reading %s: %w", MetadataFile, err), opened.Close())
	}
	return opened, nil
}

// Close closes both databases.
func (s *Store) Close() error {
	return errors.Join(s.records.Close(), s.DB.Close())
}

// Namespaces lists the store's namespaces.
func (s *Store) Namespaces(ctx context.Context) (names []string, err error) {
	err = s.View(func(tx *bolt.Tx) error {
		names, err = metadata.NewNamespaceStore(tx).List(ctx)
		return err
	})
	return names, err
}

// AddNamespace makes a namespace, unless it is there.
func (s *Store) AddNamespace(ctx context.Context, name string) error {
	err := s.Update(func(tx *bolt.Tx) error { return metadata.NewNamespaceStore(tx).Create(ctx, name, nil) })
	if errdefs.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// Snapshots gives the snapshotter's snapshots of the context's namespace by their names. Unlike containerd's own listing it
// has those, too, that the snapshotter itself does not know.
func (s *Store) Snapshots(ctx context.Context) (map[string]*Snapshot, error) {
	namespace, err := namespaces.NamespaceRequired(ctx)
	if err != nil {
		return nil, err
	}
	all := map[string]*Snapshot{}
	// The schema is described in containerd's core/metadata/buckets.go.
	read := func(bucket *bolt.Bucket, name []byte) error {
		record := bucket.Bucket(name)
		if record == nil {
			return nil
		}
		labels, err := boltutil.ReadLabels(record)
		all[string(name)] = &Snapshot{
			Name: string(name), Parent: string(record.Get([]byte("parent"))), Labels: labels, backend: string(record.Get([]byte("name"))),
		}
		return err
	}
	err = s.View(func(tx *bolt.Tx) error {
		bucket := tx.Bucket([]byte("v1"))
		for _, name := range []string{namespace, "snapshots", s.snapshotter} {
			if bucket == nil {
				return nil
			}
			bucket = bucket.Bucket([]byte(name))
		}
		if bucket == nil {
			return nil
		}
		return bucket.ForEach(func(name, _ []byte) error { return read(bucket, name) })
	})
	if err != nil {
		return nil, err
	}
	return all, s.records.complete(ctx, all)
}

// Commit adds a committed snapshot. Its parent must be there.
func (s *Store) Commit(ctx context.Context, snapshot Snapshot) error {
	into := s.Snapshotter(s.snapshotter)
	s.records.usage = snapshots.Usage{Size: snapshot.Size, Inodes: snapshot.Inodes}
	labels := snapshots.WithLabels(snapshot.Labels)
	key := "preparing " + snapshot.Name
	if err := into.Remove(ctx, key); err != nil && !errdefs.IsNotFound(err) { // left by a power cut
		return err
	}
	if _, err := into.Prepare(ctx, key, snapshot.Parent, labels); err != nil {
		return err
	}
	return into.Commit(ctx, snapshot.Name, key, labels)
}

// Remove takes a snapshot out of the context's namespace. Its folder goes when containerd collects its garbage.
func (s *Store) Remove(ctx context.Context, name string) error {
	return s.Snapshotter(s.snapshotter).Remove(ctx, name)
}

// AddBlob adds content.
func (s *Store) AddBlob(ctx context.Context, data io.Reader, target digest.Digest, size int64, labels map[string]string) error {
	descriptor := ocispec.Descriptor{Digest: target, Size: size}
	return content.WriteBlob(ctx, s.ContentStore(), target.String(), data, descriptor, content.WithLabels(labels))
}

// BlobFile is the file of a blob below containerd's root.
func BlobFile(root string, target digest.Digest) string {
	return filepath.Join(root, ContentDirectory, "blobs", target.Algorithm().String(), target.Encoded())
}
