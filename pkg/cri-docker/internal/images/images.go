// Package images is CRI's ImageService on the images of a Docker engine.
package images

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/distribution/reference"
	"github.com/moby/moby/client"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"kubeiso.dev/pkg/cri-docker/internal/engine"
)

// Service answers the kubelet about images.
type Service struct {
	runtime.UnimplementedImageServiceServer
	engine engine.Images
	// pinned are full names of images that are not to be removed to gain room.
	pinned map[string]bool
	// root is where the engine keeps images.
	root  string
	begun time.Time
	fs    usage
}

// New gives the service. pinned: full names, of images that came with the node. root: a folder on the images' file system.
func New(engine engine.Images, pinned []string, root string) *Service {
	made := &Service{
		engine: engine, pinned: map[string]bool{}, root: root, begun: time.Now(), fs: usage{first: make(chan struct{})},
	}
	for _, name := range pinned {
		made.pinned[name] = true
	}
	return made
}

// ListImages lists all images, or the one that the filter names.
func (s *Service) ListImages(ctx context.Context, request *runtime.ListImagesRequest) (*runtime.ListImagesResponse, error) {
	if wanted := request.GetFilter().GetImage().GetImage(); wanted != "" {
		found, err := s.image(ctx, wanted)
		if found == nil {
			return &runtime.ListImagesResponse{}, err
		}
		return &runtime.ListImagesResponse{Images: []*runtime.Image{found}}, err
	}
	list, err := s.engine.ImageList(ctx, client.ImageListOptions{})
	answer := &runtime.ListImagesResponse{}
	for _, each := range list.Items {
		answer.Images = append(answer.Images, s.describe(each.ID, each.RepoTags, each.RepoDigests, each.Size))
	}
	return answer, err
}

// ImageStatus describes one image; an image that is not there is an answer without one.
func (s *Service) ImageStatus(ctx context.Context, request *runtime.ImageStatusRequest) (*runtime.ImageStatusResponse, error) {
	found, err := s.image(ctx, request.GetImage().GetImage())
	return &runtime.ImageStatusResponse{Image: found}, err
}

// image gives nil for an image that is not there.
func (s *Service) image(ctx context.Context, name string) (*runtime.Image, error) {
	found, err := s.engine.ImageInspect(ctx, name)
	if errdefs.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	image := s.describe(found.ID, found.RepoTags, found.RepoDigests, found.Size)
	if found.Config != nil {
		image.Uid, image.Username = user(found.Config.User)
	}
	return image, nil
}

func (s *Service) describe(id string, tags, digests []string, size int64) *runtime.Image {
	image := &runtime.Image{Id: id, RepoTags: full(tags), RepoDigests: full(digests), Size: uint64(max(size, 0))}
	for _, name := range image.RepoTags {
		image.Pinned = image.Pinned || s.pinned[name]
	}
	return image
}

// full gives names as every other runtime has them; Docker leaves out what it takes for granted.
func full(names []string) []string {
	var found []string
	for _, name := range names {
		if parsed, err := reference.ParseNormalizedNamed(name); err == nil {
			name = parsed.String()
		}
		found = append(found, name)
	}
	return found
}

// user reads an image's user, USER or USER:GROUP, as a number or a name; none is root.
func user(text string) (*runtime.Int64Value, string) {
	name, _, _ := strings.Cut(text, ":")
	if name == "" {
		return &runtime.Int64Value{}, ""
	}
	if number, err := strconv.ParseInt(name, 10, 64); err == nil {
		return &runtime.Int64Value{Value: number}, ""
	}
	return nil, name
}

// RemoveImage removes an image with all its names. One that is gone already is no error.
func (s *Service) RemoveImage(ctx context.Context, request *runtime.RemoveImageRequest) (*runtime.RemoveImageResponse, error) {
	found, err := s.engine.ImageInspect(ctx, request.GetImage().GetImage())
	if err == nil {
		err = s.remove(ctx, found)
	}
	if errdefs.IsNotFound(err) {
		err = nil
	}
	return &runtime.RemoveImageResponse{}, err
}

// remove takes the names one by one: Docker refuses to remove an image with several by its id.
func (s *Service) remove(ctx context.Context, image client.ImageInspectResult) error {
	names := image.RepoTags
	if len(names) == 0 {
		names = []string{image.ID}
	}
	var failures []error
	for _, name := range names {
		if _, err := s.engine.ImageRemove(ctx, name, client.ImageRemoveOptions{PruneChildren: true}); !errdefs.IsNotFound(err) {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}
