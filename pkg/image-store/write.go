package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	bolt "go.etcd.io/bbolt"
)

// Where containerd 2's plugins keep their data below its root.
const (
	metadataFile     = "io.containerd.metadata.v1.bolt/meta.db"
	contentDirectory = "io.containerd.content.v1.content"
	snapshotterFile  = "io.containerd.snapshotter.v1.%s/metadata.db"
)

// write makes the store of the plan and returns the number of each snapshot.
func write(ctx context.Context, plan Plan) (map[string]string, error) {
	meta := filepath.Join(plan.Root, metadataFile)
	records := filepath.Join(plan.Root, fmt.Sprintf(snapshotterFile, plan.Snapshotter))
	for _, file := range []string{meta, records} {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return nil, err
		}
	}
	numbers, err := fill(ctx, plan, meta, records)
	if err != nil {
		return nil, err
	}
	for _, file := range []string{meta, records} {
		if err := settle(file); err != nil {
			return nil, fmt.Errorf("rewriting %s: %w", file, err)
		}
	}
	// Left behind by the content store; containerd makes it again.
	if err := os.RemoveAll(filepath.Join(plan.Root, contentDirectory, "ingest")); err != nil {
		return nil, err
	}
	return numbers, nil
}

// fill writes both databases and the blobs through containerd's own code.
func fill(ctx context.Context, plan Plan, meta, records string) (map[string]string, error) {
	db, err := bolt.Open(meta, 0o600, &bolt.Options{NoSync: true, PageSize: pageSize})
	if err != nil {
		return nil, err
	}
	blobs, err := local.NewStore(filepath.Join(plan.Root, contentDirectory))
	if err != nil {
		return nil, err
	}
	snapshotter, err := openRecorder(records)
	if err != nil {
		return nil, err
	}
	defer snapshotter.Close()
	store := metadata.NewDB(db, blobs, map[string]snapshots.Snapshotter{plan.Snapshotter: snapshotter})
	defer store.Close()
	if err := store.Init(ctx); err != nil {
		return nil, err
	}
	return fillStore(namespaces.WithNamespace(ctx, plan.Namespace), plan, store, snapshotter)
}

func fillStore(ctx context.Context, plan Plan, store *metadata.DB, snapshotter *recorder) (map[string]string, error) {
	update := func(tx *bolt.Tx) error {
		return metadata.NewNamespaceStore(tx).Create(ctx, plan.Namespace, nil)
	}
	if err := store.Update(update); err != nil {
		return nil, err
	}
	for _, snapshot := range plan.Snapshots {
		if err := commit(ctx, store.Snapshotter(plan.Snapshotter), snapshotter, snapshot); err != nil {
			return nil, fmt.Errorf("snapshot %s: %w", snapshot.Name, err)
		}
	}
	for _, blob := range plan.Blobs {
		if err := addBlob(ctx, store.ContentStore(), blob); err != nil {
			return nil, fmt.Errorf("blob %s: %w", blob.Digest, err)
		}
	}
	names := metadata.NewImageStore(store)
	for _, image := range plan.Images {
		if _, err := names.Create(ctx, record(image)); err != nil {
			return nil, fmt.Errorf("image %s: %w", image.Name, err)
		}
	}
	return snapshotter.numbers, nil
}

func commit(ctx context.Context, into snapshots.Snapshotter, snapshotter *recorder, snapshot Snapshot) error {
	snapshotter.next = snapshot
	labels := snapshots.WithLabels(snapshot.Labels)
	key := "preparing " + snapshot.Name
	if _, err := into.Prepare(ctx, key, snapshot.Parent, labels); err != nil {
		return err
	}
	return into.Commit(ctx, snapshot.Name, key, labels)
}

func addBlob(ctx context.Context, into content.Store, blob Blob) error {
	file, err := os.Open(blob.File)
	if err != nil {
		return err
	}
	defer file.Close()
	status, err := file.Stat()
	if err != nil {
		return err
	}
	descriptor := ocispec.Descriptor{Digest: digest.Digest(blob.Digest), Size: status.Size()}
	return content.WriteBlob(ctx, into, blob.Digest, file, descriptor, content.WithLabels(blob.Labels))
}

func record(image Image) images.Image {
	return images.Image{
		Name:   image.Name,
		Labels: image.Labels,
		Target: ocispec.Descriptor{MediaType: image.MediaType, Digest: digest.Digest(image.Digest), Size: image.Size},
	}
}
