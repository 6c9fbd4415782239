// Command image-store writes the databases of a containerd image store whose images are already unpacked.
//
// It reads a Plan as JSON on standard input, and writes metadata, snapshot records and blobs under the plan's root with
// containerd's own packages. It needs neither root rights nor a daemon. The same plan gives the same bytes.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"kubeiso.dev/pkg/image-store/store"
)

// Plan says what the store holds. Snapshots are listed parents first.
type Plan struct {
	// Root is the directory to write, as containerd's own `root`. It must not hold a store yet.
	Root        string           `json:"root"`
	Namespace   string           `json:"namespace"`
	Snapshotter string           `json:"snapshotter"`
	Blobs       []Blob           `json:"blobs"`
	Snapshots   []store.Snapshot `json:"snapshots"`
	Images      []Image          `json:"images"`
}

// Blob is content that goes into the store: a manifest or a config.
type Blob struct {
	File   string            `json:"file"`
	Digest string            `json:"digest"`
	Labels map[string]string `json:"labels"`
}

// Image is a name for a manifest.
type Image struct {
	Name      string            `json:"name"`
	MediaType string            `json:"mediaType"`
	Digest    string            `json:"digest"`
	Size      int64             `json:"size"`
	Labels    map[string]string `json:"labels"`
}

func main() {
	if err := run(context.Background(), os.Stdin); err != nil {
		fmt.Fprintln(os.Stderr, "image-store:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, in io.Reader) error {
	var plan Plan
	decoder := json.NewDecoder(in)
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&plan); err != nil {
		return fmt.Errorf("reading the plan: %w", err)
	}
	return write(ctx, plan)
}
