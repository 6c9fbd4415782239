package server

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"kubeiso.dev/pkg/cri-docker/internal/state"
)

// CreateContainer makes a container in a pod that runs. After an error nothing is left of it.
func (r *Runtime) CreateContainer(
	ctx context.Context, request *runtime.CreateContainerRequest,
) (*runtime.CreateContainerResponse, error) {
	r.making.RLock()
	defer r.making.RUnlock()
	config := request.GetConfig()
	if config.GetMetadata().GetName() == "" {
		return nil, invalid("the container has no name")
	}
	sandbox, pod, err := r.Sandboxes.Get(request.PodSandboxId)
	if err != nil {
		return nil, err
	}
	id, err := r.createIn(ctx, sandbox, pod, config)
	if err != nil {
		return nil, fmt.Errorf("making container %s: %w", config.Metadata.Name, err)
	}
	return &runtime.CreateContainerResponse{ContainerId: id}, nil
}

func (r *Runtime) createIn(ctx context.Context, sandbox string, pod state.Sandbox, config *runtime.ContainerConfig) (string, error) {
	image, err := r.Engine.ImageInspect(ctx, config.GetImage().GetImage())
	if err != nil {
		return "", err
	}
	options, err := r.containerOptions(ctx, sandbox, pod.Handler, pod.Config, config)
	if err != nil {
		return "", err
	}
	id, err := r.create(ctx, options, r.whole(ctx))
	if err != nil {
		return "", err
	}
	record := state.Container{
		Sandbox: sandbox, Config: config, ImageID: image.ID, ImageRef: image.ID, Created: time.Now().UnixNano(),
		LogPath: logPath(pod.Config.GetLogDirectory(), config.LogPath),
	}
	if len(image.RepoDigests) > 0 {
		record.ImageRef = image.RepoDigests[0]
	}
	if err := r.Containers.Put(id, record); err != nil {
		return "", errors.Join(err, r.forgetContainer(context.WithoutCancel(ctx), id))
	}
	return id, nil
}

// whole says of a container with the wanted name whether it has to stay: it has a record, and was started once.
func (r *Runtime) whole(ctx context.Context) func(id string) bool {
	return func(id string) bool {
		_, record, err := r.Containers.Get(id)
		if err != nil {
			return false
		}
		found, err := r.inspect(ctx, id)
		return err != nil || started(found) || record.StartError != ""
	}
}

// logPath is absolute; empty where the kubelet wants no log.
func logPath(dir, name string) string {
	if dir == "" || name == "" {
		return ""
	}
	return filepath.Join(dir, name)
}
