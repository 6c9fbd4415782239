package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay"
	"github.com/opencontainers/go-digest"
	bolt "go.etcd.io/bbolt"

	"kubeiso.dev/pkg/image-store/store"
)

// planFor is a store with one image of two layers, which no garbage collection may touch.
func planFor(t *testing.T, root string) Plan {
	t.Helper()
	config, manifest := []byte(`{"config":1}`), []byte(`{"manifest":1}`)
	put := func(data []byte, labels map[string]string) Blob {
		file := filepath.Join(t.TempDir(), "blob")
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return Blob{File: file, Digest: digest.FromBytes(data).String(), Labels: labels}
	}
	target := digest.FromBytes(manifest).String()
	return Plan{
		Root: root, Namespace: "k8s.io", Snapshotter: "overlayfs",
		Blobs: []Blob{
			put(manifest, map[string]string{"containerd.io/gc.ref.content.config": digest.FromBytes(config).String()}),
			put(config, map[string]string{"containerd.io/gc.ref.snapshot.overlayfs": "sha256:two"}),
		},
		Snapshots: []store.Snapshot{
			{Name: "sha256:one", Size: 4096, Inodes: 2},
			{Name: "sha256:two", Parent: "sha256:one", Size: 8192, Inodes: 3},
		},
		Images: []Image{{Name: "example.org/a:1", MediaType: "application/json", Digest: target, Size: int64(len(manifest))}},
	}
}

func runPlan(t *testing.T, plan Plan) {
	t.Helper()
	in, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	if err := run(context.Background(), bytes.NewReader(in)); err != nil {
		t.Fatal(err)
	}
}

// open opens the store with the code that containerd itself uses.
func open(t *testing.T, root string) (*metadata.DB, context.Context) {
	t.Helper()
	db, err := bolt.Open(filepath.Join(root, store.MetadataFile), 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	blobs, err := local.NewStore(filepath.Join(root, store.ContentDirectory))
	if err != nil {
		t.Fatal(err)
	}
	snapshotter, err := overlay.NewSnapshotter(filepath.Join(root, "io.containerd.snapshotter.v1.overlayfs"))
	if err != nil {
		t.Fatal(err)
	}
	opened := metadata.NewDB(db, blobs, map[string]snapshots.Snapshotter{"overlayfs": snapshotter})
	t.Cleanup(func() { opened.Close(); snapshotter.Close() })
	ctx := namespaces.WithNamespace(context.Background(), "k8s.io")
	if err := opened.Init(ctx); err != nil {
		t.Fatal(err)
	}
	return opened, ctx
}

func TestCollectionKeepsTheImageAndItsSnapshots(t *testing.T) {
	root := t.TempDir()
	runPlan(t, planFor(t, root))
	db, ctx := open(t, root)
	if _, err := db.GarbageCollect(ctx); err != nil {
		t.Fatal(err)
	}
	image, err := metadata.NewImageStore(db).Get(ctx, "example.org/a:1")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := content.ReadBlob(ctx, db.ContentStore(), image.Target); err != nil {
		t.Fatal(err)
	}
	info, err := db.Snapshotter("overlayfs").Stat(ctx, "sha256:two")
	if err != nil || info.Parent != "sha256:one" || info.Kind != snapshots.KindCommitted {
		t.Fatalf("snapshot: %+v, %v", info, err)
	}
}

func TestAContainerGetsTheLayersAsLowerDirectories(t *testing.T) {
	root := t.TempDir()
	runPlan(t, planFor(t, root))
	for _, number := range []string{"1", "2"} {
		if err := os.MkdirAll(filepath.Join(root, "io.containerd.snapshotter.v1.overlayfs/snapshots", number, "fs"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	db, ctx := open(t, root)
	mounts, err := db.Snapshotter("overlayfs").Prepare(ctx, "container", "sha256:two")
	if err != nil {
		t.Fatal(err)
	}
	options := strings.Join(mounts[0].Options, " ")
	if !strings.Contains(options, "snapshots/2/fs:") || !strings.Contains(options, "snapshots/1/fs") {
		t.Fatalf("options: %s", options)
	}
}

func TestDeletingTheImageLetsCollectionTakeItsSnapshots(t *testing.T) {
	root := t.TempDir()
	runPlan(t, planFor(t, root))
	db, ctx := open(t, root)
	if err := metadata.NewImageStore(db).Delete(ctx, "example.org/a:1"); err != nil {
		t.Fatal(err)
	}
	if _, err := db.GarbageCollect(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := db.Snapshotter("overlayfs").Stat(ctx, "sha256:two"); err == nil {
		t.Fatal("the snapshot outlived its image")
	}
}

func TestTheSamePlanGivesTheSameBytes(t *testing.T) {
	read := func() map[string]string {
		root := t.TempDir()
		runPlan(t, planFor(t, root))
		files := map[string]string{}
		err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			data, err := os.ReadFile(path)
			files[strings.TrimPrefix(path, root)] = string(data)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	first := read()
	if len(first) != 4 {
		t.Fatalf("expected two databases and two blobs, got %d files", len(first))
	}
	for range 5 {
		for name, data := range read() {
			if first[name] != data {
				t.Fatalf("%s differs between two runs", name)
			}
		}
	}
}

func TestAPlanWithAnUnknownKeyOrAWrongDigestFails(t *testing.T) {
	if err := run(context.Background(), strings.NewReader(`{"rooot": "/"}`)); err == nil {
		t.Fatal("an unknown key was taken")
	}
	plan := planFor(t, t.TempDir())
	plan.Blobs[0].Digest = plan.Blobs[1].Digest
	if err := write(context.Background(), plan); err == nil {
		t.Fatal("a blob with another digest was taken")
	}
}
