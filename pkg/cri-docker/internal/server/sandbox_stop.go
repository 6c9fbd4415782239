package server

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/moby/moby/client"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"kubeiso.dev/pkg/cri-docker/internal/state"
)

// sandboxGrace is how many seconds the process of a sandbox may take to end; it has nothing to do.
const sandboxGrace = 5

// StopPodSandbox ends all of a pod and takes its network back. What is stopped or gone already is no error.
func (r *Runtime) StopPodSandbox(ctx context.Context, request *runtime.StopPodSandboxRequest) (*runtime.StopPodSandboxResponse, error) {
	id, record, err := r.Sandboxes.Get(request.PodSandboxId)
	if gone(err) {
		return &runtime.StopPodSandboxResponse{}, nil
	}
	if err == nil {
		err = r.stopSandbox(ctx, id, record)
	}
	return &runtime.StopPodSandboxResponse{}, err
}

func (r *Runtime) stopSandbox(ctx context.Context, id string, record state.Sandbox) error {
	for container := range r.containersOf(id) {
		if err := r.stop(ctx, container, 0); err != nil {
			return fmt.Errorf("stopping container %s: %w", container, err)
		}
	}
	if !record.Stopped {
		if err := r.disconnect(ctx, id, record); err != nil {
			return err
		}
		record.Stopped, record.Networked = true, false
		if err := r.Sandboxes.Put(id, record); err != nil {
			return err
		}
	}
	return r.stop(ctx, id, sandboxGrace)
}

// disconnect takes a pod's network back, if it has one, while the namespace is there, if it still is.
func (r *Runtime) disconnect(ctx context.Context, id string, record state.Sandbox) error {
	if !record.Networked {
		return nil
	}
	if err := r.takeBack(ctx, id, record.Config); err != nil {
		return fmt.Errorf("taking the pod's network back: %w", err)
	}
	return nil
}

func (r *Runtime) takeBack(ctx context.Context, id string, config *runtime.PodSandboxConfig) error {
	path, err := r.networkNamespace(ctx, id)
	if err != nil && !gone(err) {
		return err
	}
	return r.Network.Remove(ctx, id, path, config)
}

// RemovePodSandbox removes a pod with all its containers. One that is gone already is no error.
func (r *Runtime) RemovePodSandbox(
	ctx context.Context, request *runtime.RemovePodSandboxRequest,
) (*runtime.RemovePodSandboxResponse, error) {
	id, record, err := r.Sandboxes.Get(request.PodSandboxId)
	if gone(err) {
		return &runtime.RemovePodSandboxResponse{}, nil
	}
	if err != nil {
		return nil, err
	}
	if err := r.stopSandbox(ctx, id, record); err != nil {
		return nil, err
	}
	for container := range r.containersOf(id) {
		if err := r.forgetContainer(ctx, container); err != nil {
			return nil, err
		}
	}
	return &runtime.RemovePodSandboxResponse{}, r.dropSandbox(ctx, id)
}

// forgetSandbox takes the network back and removes the container and the record, as much of them as there is.
func (r *Runtime) forgetSandbox(ctx context.Context, id string, record state.Sandbox) error {
	if err := r.disconnect(ctx, id, record); err != nil {
		return err
	}
	return r.dropSandbox(ctx, id)
}

func (r *Runtime) dropSandbox(ctx context.Context, id string) error {
	if err := r.remove(ctx, id); err != nil {
		return err
	}
	r.Meter.Forget(id)
	return errors.Join(os.RemoveAll(r.podDir(id)), r.Sandboxes.Delete(id))
}

// containersOf gives the containers of a pod by id.
func (r *Runtime) containersOf(sandbox string) map[string]state.Container {
	found := r.Containers.All()
	for id, record := range found {
		if record.Sandbox != sandbox {
			delete(found, id)
		}
	}
	return found
}

// stop ends a container: seconds is what it may take for it by itself. One that is not there or does not run is no error.
func (r *Runtime) stop(ctx context.Context, id string, seconds int) error {
	_, err := r.Engine.ContainerStop(ctx, id, client.ContainerStopOptions{Timeout: &seconds})
	if gone(err) {
		return nil
	}
	return err
}

// remove removes a container with the volumes that its image asked for; it is killed if it runs. One that is gone is no error.
func (r *Runtime) remove(ctx context.Context, id string) error {
	_, err := r.Engine.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
	if gone(err) {
		return nil
	}
	return err
}
