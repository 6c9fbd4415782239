package main

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/content"
	"github.com/containerd/containerd/v2/core/images"
	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/containerd/containerd/v2/core/snapshots"
	"github.com/opencontainers/go-digest"
	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// blob writes content with its labels.
func blob(t *testing.T, db *metadata.DB, kind string, data []byte, labels map[string]string) ocispec.Descriptor {
	t.Helper()
	made := ocispec.Descriptor{MediaType: kind, Digest: digest.FromBytes(data), Size: int64(len(data))}
	check(t, content.WriteBlob(inNamespace, db.ContentStore(), made.Digest.String(), bytes.NewReader(data), made, content.WithLabels(labels)))
	return made
}

// imported puts an image with a layer of its own on top of layers that are there, as `ctr images import` does: all blobs are there.
func imported(t *testing.T, root, name string, below ...string) {
	t.Helper()
	containerd(t, root, func(db *metadata.DB) {
		top := chain(append(below, "own")...)
		into := db.Snapshotter(snapshotter)
		_, err := into.Prepare(inNamespace, "unpacking", chain(below...))
		check(t, err)
		check(t, into.Commit(inNamespace, top, "unpacking", snapshots.WithLabels(nil)))
		text, err := json.Marshal(ocispec.Image{Platform: ocispec.Platform{Architecture: "amd64", OS: "linux"}})
		check(t, err)
		config := blob(t, db, ocispec.MediaTypeImageConfig, text, map[string]string{snapshotLabel: top})
		manifest := ocispec.Manifest{MediaType: ocispec.MediaTypeImageManifest, Config: config}
		manifest.SchemaVersion = 2
		labels := map[string]string{contentLabel + ".config": config.Digest.String()}
		for _, layer := range append(below, "own") {
			made := blob(t, db, ocispec.MediaTypeImageLayer, []byte(layer), nil)
			labels[contentLabel+".l."+layer] = made.Digest.String()
			manifest.Layers = append(manifest.Layers, made)
		}
		text, err = json.Marshal(manifest)
		check(t, err)
		target := blob(t, db, ocispec.MediaTypeImageManifest, text, labels)
		_, err = metadata.NewImageStore(db).Create(inNamespace, images.Image{Name: name, Target: target})
		check(t, err)
	})
}

func TestAnImportedImageOutlivesTheMediumWhoseLayersItShared(t *testing.T) {
	root := t.TempDir()
	boot(t, medium(t, pause, api), root)
	imported(t, root, "user/imported:1", "base", "api1")
	_, log := boot(t, medium(t, pause, apiNew), root)
	if !strings.Contains(log, "user/imported:1 had layers of an earlier medium, and is unpacked again when it is used") {
		t.Errorf("log %q", log)
	}
	expect(t, root, map[string]toy{"kept": pause, "changed": apiNew}, api)
	containerd(t, root, func(db *metadata.DB) {
		image, err := metadata.NewImageStore(db).Get(inNamespace, "user/imported:1")
		check(t, err)
		var manifest ocispec.Manifest
		text, err := content.ReadBlob(inNamespace, db.ContentStore(), image.Target)
		check(t, err)
		check(t, json.Unmarshal(text, &manifest))
		for _, layer := range manifest.Layers {
			if _, err := content.ReadBlob(inNamespace, db.ContentStore(), layer); err != nil {
				t.Errorf("a layer was collected: %v", err)
			}
		}
		if _, err := db.Snapshotter(snapshotter).Stat(inNamespace, chain("base", "api1", "own")); err == nil {
			t.Error("a snapshot without its parent's files is left")
		}
	})
}
