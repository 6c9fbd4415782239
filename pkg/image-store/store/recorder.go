package store

import (
	"context"

	"github.com/containerd/containerd/v2/core/mount"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/core/snapshots/storage"
	"github.com/containerd/errdefs"
)

// recorder is the part of the overlayfs snapshotter that keeps records. It makes no directories and mounts nothing: the
// files of the snapshots are put in place by whoever asks for their numbers.
type recorder struct {
	snapshots.Snapshotter // nil: nothing but the methods below is called
	records               *storage.MetaStore
	usage                 snapshots.Usage // of the snapshot that is committed next
}

func openRecorder(file string) (*recorder, error) {
	records, err := storage.NewMetaStore(file)
	if err != nil {
		return nil, err
	}
	return &recorder{records: records}, nil
}

func (r *recorder) Prepare(ctx context.Context, key, parent string, opts ...snapshots.Opt) ([]mount.Mount, error) {
	return nil, r.records.WithTransaction(ctx, true, func(ctx context.Context) error {
		_, err := storage.CreateSnapshot(ctx, snapshots.KindActive, key, parent, opts...)
		return err
	})
}

func (r *recorder) Commit(ctx context.Context, name, key string, opts ...snapshots.Opt) error {
	return r.records.WithTransaction(ctx, true, func(ctx context.Context) error {
		_, err := storage.CommitActive(ctx, key, name, r.usage, opts...)
		return err
	})
}

func (r *recorder) Remove(ctx context.Context, key string) error {
	return r.records.WithTransaction(ctx, true, func(ctx context.Context) error {
		_, _, err := storage.Remove(ctx, key)
		return err
	})
}

// complete adds to the snapshots what the snapshotter's own records have of them; nothing to one that is missing there.
func (r *recorder) complete(ctx context.Context, all map[string]*Snapshot) error {
	return r.records.WithTransaction(ctx, false, func(ctx context.Context) error {
		for _, each := range all {
			number, info, usage, err := storage.GetInfo(ctx, each.backend)
			if errdefs.IsNotFound(err) {
				continue
			}
			if err != nil {
				return err
			}
			each.Number, each.Committed, each.Size, each.Inodes = number, info.Kind == snapshots.KindCommitted, usage.Size, usage.Inodes
		}
		return nil
	})
}

func (r *recorder) Close() error {
	return r.records.Close()
}
