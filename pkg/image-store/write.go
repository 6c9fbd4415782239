package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	bolt "go.etcd.io/bbolt"

	"kubeiso.dev/pkg/image-store/store"
)

// write makes the store of the plan.
func write(ctx context.Context, plan Plan) error {
	databases := []string{filepath.Join(plan.Root, store.MetadataFile), filepath.Join(plan.Root, store.RecordsFile(plan.Snapshotter))}
	for _, file := range databases {
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			return err
		}
	}
	into, err := store.Open(ctx, plan.Root, plan.Snapshotter, &bolt.Options{NoSync: true, PageSize: pageSize})
	if err != nil {
		return err
	}
	if err := errors.Join(fill(namespaces.WithNamespace(ctx, plan.Namespace), plan, into), into.Close()); err != nil {
		return err
	}
	for _, file := range databases {
		if err := settle(file); err != nil {
			return fmt.Errorf("rewriting %s: %w", file, err)
		}
	}
	// Left behind by the content store; containerd makes it again.
	return os.RemoveAll(filepath.Join(plan.Root, store.ContentDirectory, "ingest"))
}

func fill(ctx context.Context, plan Plan, into *store.Store) error {
	if err := into.AddNamespace(ctx, plan.Namespace); err != nil {
		return err
	}
	for _, snapshot := range plan.Snapshots {
		if err := into.Commit(ctx, snapshot); err != nil {
			return fmt.Errorf("snapshot %s: %w", snapshot.Name, err)
		}
	}
	for _, blob := range plan.Blobs {
		if err := addBlob(ctx, into, blob); err != nil {
			return fmt.Errorf("blob %s: %w", blob.Digest, err)
		}
	}
	names := metadata.NewImageStore(into.DB)
	for _, image := range plan.Images {
		if _, err := names.Create(ctx, record(image)); err != nil {
			return fmt.Errorf("image %s: %w", image.Name, err)
		}
	}
	return nil
}

func addBlob(ctx context.Context, into *store.Store, blob Blob) error {
	file, err := os.Open(blob.File)
	if err != nil {
		return err
	}
	defer file.Close()
	status, err := file.Stat()
	if err != nil {
		return err
	}
	return into.AddBlob(ctx, file, digest.Digest(blob.Digest), status.Size(), blob.Labels)
}

func record(image Image) images.Image {
	return images.Image{
		Name:   image.Name,
		Labels: image.Labels,
		Target: ocispec.Descriptor{MediaType: image.MediaType, Digest: digest.Digest(image.Digest), Size: image.Size},
	}
}
