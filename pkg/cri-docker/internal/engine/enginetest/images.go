package enginetest

import (
	"context"
	"io"
	"iter"
	"slices"

	"github.com/moby/moby/api/types/image"
	"github.com/moby/moby/api/types/jsonstream"
	"github.com/moby/moby/client"
)

// AddImage adds an image with the id "sha256:NAME"; further names are tags of the same one.
func (e *Engine) AddImage(name string, more ...string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.images["sha256:"+name] = client.ImageInspectResult{InspectResponse: image.InspectResponse{
		ID: "sha256:" + name, RepoTags: append([]string{name}, more...), Size: 4096,
	}}
}

// image finds an image by id or tag; the lock is held.
func (e *Engine) image(name string) (client.ImageInspectResult, bool) {
	for id, each := range e.images {
		if id == name || slices.Contains(each.RepoTags, name) {
			return each, true
		}
	}
	return client.ImageInspectResult{}, false
}

// ImageInspect describes an image.
func (e *Engine) ImageInspect(_ context.Context, name string, _ ...client.ImageInspectOption) (client.ImageInspectResult, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if found, known := e.image(name); known {
		return found, nil
	}
	return client.ImageInspectResult{}, notFound("image " + name)
}

// ImageList lists all images.
func (e *Engine) ImageList(context.Context, client.ImageListOptions) (client.ImageListResult, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	var list client.ImageListResult
	for id, each := range e.images {
		list.Items = append(list.Items, image.Summary{ID: id, RepoTags: each.RepoTags, Size: each.Size})
	}
	return list, nil
}

// ImageRemove takes a name away, and the image with its last one.
func (e *Engine) ImageRemove(_ context.Context, name string, _ client.ImageRemoveOptions) (client.ImageRemoveResult, error) {
	failure := e.enter("rmi", name)
	defer e.mu.Unlock()
	found, known := e.image(name)
	if !known {
		return client.ImageRemoveResult{}, notFound("image " + name)
	}
	if failure != nil {
		return client.ImageRemoveResult{}, failure
	}
	found.RepoTags = slices.DeleteFunc(slices.Clone(found.RepoTags), func(tag string) bool { return tag == name })
	e.images[found.ID] = found
	if len(found.RepoTags) == 0 || name == found.ID {
		delete(e.images, found.ID)
	}
	return client.ImageRemoveResult{}, nil
}

// ImagePull adds the image; its stream ends with the error that "wait" shall have.
func (e *Engine) ImagePull(_ context.Context, name string, options client.ImagePullOptions) (client.ImagePullResponse, error) {
	failure := e.enter("pull", name+" "+options.RegistryAuth)
	wait := e.Fail["wait"]
	e.mu.Unlock()
	if failure == nil && wait == nil {
		e.AddImage(name)
	}
	return pulling{wait}, failure
}

// DiskUsage tells a size.
func (e *Engine) DiskUsage(context.Context, client.DiskUsageOptions) (client.DiskUsageResult, error) {
	failure := e.enter("df", "")
	defer e.mu.Unlock()
	if failure != nil {
		return client.DiskUsageResult{}, failure
	}
	return client.DiskUsageResult{Images: client.ImagesDiskUsage{TotalSize: 12345}}, nil
}

type pulling struct{ failure error }

func (pulling) Read([]byte) (int, error)     { return 0, io.EOF }
func (pulling) Close() error                 { return nil }
func (p pulling) Wait(context.Context) error { return p.failure }
func (pulling) JSONMessages(context.Context) iter.Seq2[jsonstream.Message, error] {
	return func(func(jsonstream.Message, error) bool) {}
}
