package main

import (
	"context"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/core/snapshots/storage"
)

// recorder is the part of the overlayfs snapshotter that keeps records. It makes no directories and mounts nothing: the
// files of the snapshots are put in place by whoever reads the numbers.
type recorder struct {
	snapshots.Snapshotter // nil: nothing but the methods below is called while a store is written
	records               *storage.MetaStore
	next                  Snapshot
	numbers               map[string]string
}

func openRecorder(file string) (*recorder, error) {
	records, err := storage.NewMetaStore(file)
	if err != nil {
		return nil, err
	}
	return &recorder{records: records, numbers: map[string]string{}}, nil
}

func (r *recorder) Prepare(ctx context.Context, key, parent string, opts ...snapshots.Opt) ([]mount.Mount, error) {
	return nil, r.records.WithTransaction(ctx, true, func(ctx context.Context) error {
		_, err := storage.CreateSnapshot(ctx, snapshots.KindActive, key, parent, opts...)
		return err
	})
}

func (r *recorder) Commit(ctx context.Context, name, key string, opts ...snapshots.Opt) error {
	return r.records.WithTransaction(ctx, true, func(ctx context.Context) error {
		usage := snapshots.Usage{Size: r.next.Size, Inodes: r.next.Inodes}
		number, err := storage.CommitActive(ctx, key, name, usage, opts...)
		r.numbers[r.next.Name] = number
		return err
	})
}

func (r *recorder) Close() error {
	return r.records.Close()
}
