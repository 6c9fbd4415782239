package server

import (
	"context"
	"fmt"
	"log"
	"time"

	"github.com/moby/moby/client"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"kubeiso.dev/pkg/cri-docker/internal/state"
)

// StartContainer starts a container, and the writing of its log.
func (r *Runtime) StartContainer(ctx context.Context, request *runtime.StartContainerRequest) (*runtime.StartContainerResponse, error) {
	id, record, err := r.Containers.Get(request.ContainerId)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if _, err := r.Engine.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		record.StartError, record.StartedAt = err.Error(), begin.UnixNano()
		if err := r.Containers.Put(id, record); err != nil {
			log.Printf("record of %s: %v", id, err)
		}
		return nil, fmt.Errorf("starting container %s: %w", record.Config.GetMetadata().GetName(), err)
	}
	return &runtime.StartContainerResponse{}, r.settle(ctx, id, record)
}

// settle does what comes with the start of a container: its log, and limits that Docker does not know.
func (r *Runtime) settle(ctx context.Context, id string, record state.Container) error {
	found, err := r.inspect(ctx, id)
	if err != nil {
		return err
	}
	if err := r.follow(id, record, found); err != nil {
		return err
	}
	if !found.Container.State.Running {
		return nil
	}
	if err := r.applyUnified(found.Container.State.Pid, record.Config.GetLinux().GetResources()); err != nil {
		if again, lookErr := r.inspect(ctx, id); lookErr == nil && again.Container.State.Running {
			return err // else it has ended before
		}
	}
	return nil
}

// follow begins the writing of a container's log.
func (r *Runtime) follow(id string, record state.Container, found client.ContainerInspectResult) error {
	if record.LogPath == "" || found.Container.LogPath == "" {
		return nil
	}
	if err := r.Logs.Follow(id, found.Container.LogPath, record.LogPath); err != nil {
		return fmt.Errorf("log of container %s: %w", id, err)
	}
	return nil
}

// StopContainer ends a container within the seconds that it is given. One that is gone or has ended is no error.
func (r *Runtime) StopContainer(ctx context.Context, request *runtime.StopContainerRequest) (*runtime.StopContainerResponse, error) {
	id, _, err := r.Containers.Get(request.ContainerId)
	if gone(err) {
		return &runtime.StopContainerResponse{}, nil
	}
	if err == nil {
		err = r.stop(ctx, id, int(request.Timeout))
	}
	return &runtime.StopContainerResponse{}, err
}

// RemoveContainer removes a container, which is killed if it runs. One that is gone is no error.
func (r *Runtime) RemoveContainer(ctx context.Context, request *runtime.RemoveContainerRequest) (*runtime.RemoveContainerResponse, error) {
	id, _, err := r.Containers.Get(request.ContainerId)
	if gone(err) {
		return &runtime.RemoveContainerResponse{}, nil
	}
	if err == nil {
		err = r.forgetContainer(ctx, id)
	}
	return &runtime.RemoveContainerResponse{}, err
}

// forgetContainer removes a container with its record. Its log, of which the last lines are written, stays to the kubelet.
func (r *Runtime) forgetContainer(ctx context.Context, id string) error {
	if err := r.stop(ctx, id, 0); err != nil {
		return err
	}
	r.Logs.Stop(id)
	if err := r.remove(ctx, id); err != nil {
		return err
	}
	r.Logs.Forget(id)
	r.Meter.Forget(id)
	return r.Containers.Delete(id)
}

// ReopenContainerLog begins a log anew: the kubelet has renamed the file.
func (r *Runtime) ReopenContainerLog(
	_ context.Context, request *runtime.ReopenContainerLogRequest,
) (*runtime.ReopenContainerLogResponse, error) {
	id, _, err := r.Containers.Get(request.ContainerId)
	if err != nil {
		return nil, err
	}
	found, err := r.Logs.Reopen(id)
	if err == nil && !found {
		err = fmt.Errorf("the log of container %s is not written: it does not run", id)
	}
	return &runtime.ReopenContainerLogResponse{}, err
}

// UpdateContainerResources changes the limits of a container.
func (r *Runtime) UpdateContainerResources(
	ctx context.Context, request *runtime.UpdateContainerResourcesRequest,
) (*runtime.UpdateContainerResourcesResponse, error) {
	id, record, err := r.Containers.Get(request.ContainerId)
	if err != nil {
		return nil, err
	}
	limits := resourcesOf(request.GetLinux())
	if _, err := r.Engine.ContainerUpdate(ctx, id, client.ContainerUpdateOptions{Resources: &limits}); err != nil {
		return nil, err
	}
	if pid, err := r.pid(ctx, id); err == nil && pid != 0 {
		if err := r.applyUnified(pid, request.GetLinux()); err != nil {
			return nil, err
		}
	}
	record.Config = withResources(record.Config, request.GetLinux())
	return &runtime.UpdateContainerResourcesResponse{}, r.Containers.Put(id, record)
}
