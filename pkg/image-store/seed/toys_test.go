package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/containerd/containerd/v2/core/containers"
	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/core/sandbox"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/containerd/v2/pkg/protobuf/types"
	"github.com/containerd/containerd/v2/plugins/content/local"
	"github.com/containerd/containerd/v2/plugins/snapshots/overlay"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
	bolt "go.etcd.io/bbolt"

	"kubeiso.dev/pkg/image-store/store"
)

const namespace = "k8s.io"

// What holds a database here is this process itself, after a fault: no wait ends it.
func init() { lockTimeout = 300 * time.Millisecond }

var inNamespace = namespaces.WithNamespace(context.Background(), namespace)

// toy is an image: its layers' names from the lowest, each a letter or more.
type toy struct {
	name   string
	layers []string
}

// chain is the name of a snapshot: that of a layer on top of others.
func chain(layers ...string) string { return digest.FromString(strings.Join(layers, "/")).String() }

func (i toy) config() []byte   { return []byte("config " + i.name + chain(i.layers...)) }
func (i toy) manifest() []byte { return []byte("manifest " + i.name + chain(i.layers...)) }

// put writes the records of an image, as pkg/image-store does and as a pull does. commit makes a snapshot, unless it is there.
func (i toy) put(t *testing.T, into *metadata.DB, commit func(snapshot store.Snapshot) error) {
	t.Helper()
	for n := range i.layers {
		snapshot := store.Snapshot{Name: chain(i.layers[:n+1]...), Size: 4096, Inodes: 2}
		if n > 0 {
			snapshot.Parent = chain(i.layers[:n]...)
		}
		check(t, commit(snapshot))
	}
	config, manifest := digest.FromBytes(i.config()), digest.FromBytes(i.manifest())
	write := func(data []byte, labels map[string]string) {
		descriptor := ocispec.Descriptor{Digest: digest.FromBytes(data), Size: int64(len(data))}
		blobs := into.ContentStore()
		check(t, content.WriteBlob(inNamespace, blobs, descriptor.Digest.String(), bytes.NewReader(data), descriptor, content.WithLabels(labels)))
	}
	write(i.config(), map[string]string{snapshotLabel: chain(i.layers...)})
	write(i.manifest(), map[string]string{contentLabel + ".config": config.String()})
	names := metadata.NewImageStore(into)
	target := ocispec.Descriptor{MediaType: ocispec.MediaTypeImageManifest, Digest: manifest, Size: int64(len(i.manifest()))}
	_, err := names.Create(inNamespace, images.Image{Name: i.name, Target: target, Labels: map[string]string{"from": "test"}})
	check(t, err)
}

// medium makes a source with these images.
func medium(t *testing.T, all ...toy) string {
	t.Helper()
	source := t.TempDir()
	for _, name := range []string{store.MetadataFile, store.RecordsFile(snapshotter)} {
		check(t, os.MkdirAll(filepath.Dir(filepath.Join(source, name)), 0o700))
	}
	made, err := store.Open(inNamespace, source, snapshotter, &bolt.Options{NoSync: true})
	check(t, err)
	check(t, made.AddNamespace(inNamespace, namespace))
	id := ""
	for _, each := range all {
		each.put(t, made.DB, func(snapshot store.Snapshot) error {
			there, err := made.Snapshots(inNamespace)
			if err != nil || there[snapshot.Name] != nil {
				return err
			}
			return made.Commit(inNamespace, snapshot)
		})
		for n := range each.layers {
			file := filepath.Join(source, layers, strings.TrimPrefix(chain(each.layers[:n+1]...), "sha256:"), "fs", each.layers[n])
			check(t, errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o644)))
		}
		id += digest.FromBytes(each.manifest()).Encoded()
	}
	check(t, made.Close())
	check(t, os.WriteFile(filepath.Join(source, "id"), []byte(id+"\n"), 0o600))
	return source
}

// boot seeds root and gives the line for people and the log.
func boot(t *testing.T, source, root string) (string, string) {
	t.Helper()
	var out, log bytes.Buffer
	check(t, (&seeder{source, root, t.TempDir(), &out, &log}).seed(context.Background()))
	return out.String(), log.String()
}

// containerd opens root with containerd's own code, the real snapshotter included.
func containerd(t *testing.T, root string, use func(db *metadata.DB)) {
	t.Helper()
	db, err := bolt.Open(filepath.Join(root, store.MetadataFile), 0o600, nil)
	check(t, err)
	blobs, err := local.NewStore(filepath.Join(root, store.ContentDirectory))
	check(t, err)
	overlayfs, err := overlay.NewSnapshotter(filepath.Join(root, filepath.Dir(store.RecordsFile(snapshotter))))
	check(t, err)
	opened := metadata.NewDB(db, blobs, map[string]snapshots.Snapshotter{snapshotter: overlayfs})
	check(t, opened.Init(inNamespace))
	use(opened)
	check(t, errors.Join(opened.Close(), overlayfs.Close()))
}

// pull puts an image into root as containerd does, its layers unpacked in folders of their own.
func pull(t *testing.T, root string, image toy) {
	t.Helper()
	containerd(t, root, func(db *metadata.DB) {
		into := db.Snapshotter(snapshotter)
		image.put(t, db, func(snapshot store.Snapshot) error {
			if _, err := into.Stat(inNamespace, snapshot.Name); err == nil {
				return nil
			}
			if _, err := into.Prepare(inNamespace, "unpacking", snapshot.Parent); err != nil {
				return err
			}
			return into.Commit(inNamespace, snapshot.Name, "unpacking", snapshots.WithLabels(snapshot.Labels))
		})
	})
}

// start makes a pod's sandbox and a container of it, as far as records and folders go.
func start(t *testing.T, root, id string, image toy) {
	t.Helper()
	containerd(t, root, func(db *metadata.DB) {
		_, err := db.Snapshotter(snapshotter).Prepare(inNamespace, id, chain(image.layers...))
		check(t, err)
		_, err = metadata.NewContainerStore(db).Create(inNamespace, containers.Container{
			ID: id, Image: image.name, Snapshotter: snapshotter, SnapshotKey: id, Spec: &types.Any{TypeUrl: "spec"}, SandboxID: id,
			Runtime: containers.RuntimeInfo{Name: "io.containerd.runc.v2"},
		})
		check(t, err)
		_, err = metadata.NewSandboxStore(db).Create(inNamespace, sandbox.Sandbox{ID: id, Runtime: sandbox.RuntimeOpts{Name: "runc"}})
		check(t, err)
	})
}

// runs says whether a container could be started from an image: all of it is there, and each lower folder has its layer's file.
func runs(t *testing.T, db *metadata.DB, image toy) bool {
	t.Helper()
	found, err := metadata.NewImageStore(db).Get(inNamespace, image.name)
	if err != nil {
		return false
	}
	manifest, err := content.ReadBlob(inNamespace, db.ContentStore(), found.Target)
	if err != nil || !bytes.Equal(manifest, image.manifest()) {
		return false
	}
	config := ocispec.Descriptor{Digest: digest.FromBytes(image.config()), Size: int64(len(image.config()))}
	if _, err := content.ReadBlob(inNamespace, db.ContentStore(), config); err != nil {
		return false
	}
	key := "run " + image.name
	mounts, err := db.Snapshotter(snapshotter).Prepare(inNamespace, key, chain(image.layers...))
	if err != nil {
		return false
	}
	defer func() { check(t, db.Snapshotter(snapshotter).Remove(inNamespace, key)) }()
	_, lower, _ := strings.Cut(strings.Join(mounts[0].Options, "\n"), "lowerdir=")
	lower, _, _ = strings.Cut(lower, "\n")
	folders := strings.Split(lower, ":")
	slices.Reverse(folders)
	for n, folder := range folders {
		if _, err := os.Stat(filepath.Join(folder, image.layers[n])); err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		} else if about, gone := os.Stat(folder); gone != nil || !about.IsDir() || isLinked(folder) && err != nil {
			return false
		}
	}
	return len(folders) == len(image.layers)
}

// isLinked says whether a snapshot's fs folder belongs to a medium.
func isLinked(folder string) bool {
	about, err := os.Lstat(filepath.Dir(folder))
	return err == nil && about.Mode()&os.ModeSymlink != 0
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// expect opens root, lets containerd collect its garbage as at its start, and says which of the images run.
func expect(t *testing.T, root string, wanted map[string]toy, gone ...toy) {
	t.Helper()
	containerd(t, root, func(db *metadata.DB) {
		for range 2 {
			for why, image := range wanted {
				if !runs(t, db, image) {
					t.Errorf("%s: %s does not run", why, image.name)
				}
			}
			for _, image := range gone {
				if runs(t, db, image) {
					t.Errorf("%s still runs", image.name)
				}
			}
			_, err := db.GarbageCollect(context.Background())
			check(t, err)
		}
	})
}

// folders lists the snapshots' folders: links with the layer that they lead to.
func folders(t *testing.T, root string) (links, real []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Join(root, store.SnapshotsDirectory(snapshotter)))
	check(t, err)
	for _, entry := range entries {
		if entry.Type()&os.ModeSymlink != 0 {
			target, err := os.Readlink(filepath.Join(root, store.SnapshotsDirectory(snapshotter), entry.Name()))
			check(t, err)
			links = append(links, filepath.Base(target))
		} else {
			real = append(real, entry.Name())
		}
	}
	slices.Sort(links)
	return links, real
}
