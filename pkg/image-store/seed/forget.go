package main

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"
	"github.com/containerd/platforms"
	"github.com/opencontainers/go-digest"

	"kubeiso.dev/pkg/image-store/store"
)

// Labels by which content keeps other content and snapshots: containerd's docs/garbage-collection.md.
const (
	contentLabel  = "containerd.io/gc.ref.content"
	snapshotLabel = "containerd.io/gc.ref.snapshot." + snapshotter
)

// forget removes all containers, images that have lost a layer, and snapshots that nothing can use any more. The files go when
// containerd collects its garbage.
func (s *seeder) forget(ctx context.Context, into *store.Store, all []stock, done *changes) error {
	names, err := into.Namespaces(ctx)
	if err != nil {
		return err
	}
	for _, name := range names {
		var kept map[string]*store.Snapshot
		for _, each := range all {
			if each.namespace == name {
				kept = each.snapshots
			}
		}
		if err := s.forgetIn(namespaces.WithNamespace(ctx, name), into, kept, done); err != nil {
			return fmt.Errorf("namespace %s: %w", name, err)
		}
	}
	return nil
}

func (s *seeder) forgetIn(ctx context.Context, into *store.Store, source map[string]*store.Snapshot, done *changes) error {
	if err := forgetContainers(ctx, into, done); err != nil {
		return err
	}
	there, err := into.Snapshots(ctx)
	if err != nil {
		return err
	}
	useless := s.useless(there, source)
	usable := func(name string) bool { return source[name] != nil || there[name] != nil && !useless[name] }
	if err := s.forgetImages(ctx, into, usable, done); err != nil {
		return err
	}
	return forgetSnapshots(ctx, into, there, useless)
}

// forgetContainers removes the containers of a namespace, and the sandboxes that the CRI plugin keeps beside them.
func forgetContainers(ctx context.Context, into *store.Store, done *changes) error {
	containers := metadata.NewContainerStore(into.DB)
	listed, err := containers.List(ctx)
	if err != nil {
		return err
	}
	for _, each := range listed {
		if err := containers.Delete(ctx, each.ID); err != nil {
			return err
		}
		done.containers++
	}
	sandboxes := metadata.NewSandboxStore(into.DB)
	boxes, err := sandboxes.List(ctx)
	if err != nil && !errdefs.IsNotFound(err) { // there never was one
		return err
	}
	for _, each := range boxes {
		if err := sandboxes.Delete(ctx, each.ID); err != nil {
			return err
		}
	}
	return nil
}

// useless gives the snapshots that are a container's, whose files are gone, or whose parent is useless. Those of the source are
// not: they get their files from it.
func (s *seeder) useless(there, source map[string]*store.Snapshot) map[string]bool {
	known := map[string]bool{}
	var judge func(name string) bool
	judge = func(name string) bool {
		if name == "" {
			return false
		}
		verdict, done := known[name]
		if !done {
			each := there[name]
			verdict = each == nil || each.Number == "" || !each.Committed || source[name] == nil && !isFolder(s.folder(each)) ||
				judge(each.Parent)
			known[name] = verdict
		}
		return verdict
	}
	for name := range there {
		judge(name)
	}
	return known
}

// isFolder says whether the path is a folder, and no link to one: those lead to layers of an earlier medium.
func isFolder(path string) bool {
	about, err := os.Lstat(path)
	return err == nil && about.IsDir()
}

// forgetImages removes the images that refer to snapshots which are not usable. One whose layers are all there as they were pulled or
// imported stays: the CRI plugin unpacks it when a container is to have it. One that stayed without them could never run, nor would
// anybody pull it again.
func (s *seeder) forgetImages(ctx context.Context, into *store.Store, usable func(name string) bool, done *changes) error {
	names := metadata.NewImageStore(into.DB)
	all, err := names.List(ctx)
	if err != nil {
		return err
	}
	for _, image := range all {
		whole, err := isWhole(ctx, into.ContentStore(), image.Target.Digest, usable, map[digest.Digest]bool{})
		if err != nil {
			return fmt.Errorf("image %s: %w", image.Name, err)
		}
		if whole {
			continue
		}
		if available, _, _, _, err := images.Check(ctx, into.ContentStore(), image.Target, platforms.Default()); err == nil && available {
			fmt.Fprintf(s.log, "image-seed: %s had layers of an earlier medium, and is unpacked again when it is used\n", image.Name)
			continue
		}
		fmt.Fprintf(s.log, "image-seed: %s had layers of an earlier medium, and is removed: it has to be pulled or imported again\n", image.Name)
		if err := names.Delete(ctx, image.Name); err != nil {
			return err
		}
		done.lost++
	}
	return nil
}

// isWhole says whether all snapshots that content refers to, or that what it refers to does, are usable.
func isWhole(
	ctx context.Context, blobs content.Store, target digest.Digest, usable func(name string) bool, seen map[digest.Digest]bool,
) (bool, error) {
	if seen[target] {
		return true, nil
	}
	seen[target] = true
	info, err := blobs.Info(ctx, target)
	if errdefs.IsNotFound(err) { // a layer that was unpacked, or a platform that was not pulled
		return true, nil
	}
	if err != nil {
		return false, err
	}
	for name, value := range info.Labels {
		switch {
		case name == snapshotLabel && !usable(value):
			return false, nil
		case strings.HasPrefix(name, contentLabel):
			if whole, err := isWhole(ctx, blobs, digest.Digest(value), usable, seen); !whole {
				return false, err
			}
		}
	}
	return true, nil
}

// forgetSnapshots removes the useless snapshots, children first. What is useless is so with all that is on top of it.
func forgetSnapshots(ctx context.Context, into *store.Store, there map[string]*store.Snapshot, useless map[string]bool) error {
	children := map[string][]string{}
	for name, each := range there {
		children[each.Parent] = append(children[each.Parent], name)
	}
	gone := map[string]bool{}
	var remove func(name string) error
	remove = func(name string) error {
		if gone[name] {
			return nil
		}
		gone[name] = true
		for _, child := range children[name] {
			if err := remove(child); err != nil {
				return err
			}
		}
		return into.Remove(ctx, name)
	}
	for name, each := range useless {
		if !each || there[name] == nil {
			continue
		}
		if err := remove(name); err != nil {
			return fmt.Errorf("snapshot %s: %w", name, err)
		}
	}
	return nil
}
