package images

import (
	"context"

	"github.com/moby/moby/api/pkg/authconfig"
	"github.com/moby/moby/api/types/registry"
	"github.com/moby/moby/client"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// PullImage fetches an image and gives its id.
func (s *Service) PullImage(ctx context.Context, request *runtime.PullImageRequest) (*runtime.PullImageResponse, error) {
	name := request.GetImage().GetImage()
	auth, err := encoded(request.GetAuth())
	if err != nil {
		return nil, err
	}
	if err := s.fetch(ctx, name, auth); err != nil {
		return nil, err
	}
	found, err := s.engine.ImageInspect(ctx, name)
	return &runtime.PullImageResponse{ImageRef: found.ID}, err
}

// Pull fetches an image that anybody may have.
func (s *Service) Pull(ctx context.Context, name string) error { return s.fetch(ctx, name, "") }

func (s *Service) fetch(ctx context.Context, name, auth string) error {
	pulling, err := s.engine.ImagePull(ctx, name, client.ImagePullOptions{RegistryAuth: auth})
	if err != nil {
		return err
	}
	defer pulling.Close()
	return pulling.Wait(ctx)
}

// encoded gives Docker's header for credentials; empty for none.
func encoded(auth *runtime.AuthConfig) (string, error) {
	if auth == nil {
		return "", nil
	}
	return authconfig.Encode(registry.AuthConfig{
		Username: auth.Username, Password: auth.Password, Auth: auth.Auth, ServerAddress: auth.ServerAddress,
		IdentityToken: auth.IdentityToken, RegistryToken: auth.RegistryToken,
	})
}
