// Package server answers the kubelet (CRI v1) for the containers of a Docker engine.
package server

import (
	"context"
	"path/filepath"
	"sync"

	"github.com/moby/moby/client"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-streaming/pkg/streaming"

	"kubeiso.dev/pkg/cri-docker/internal/engine"
	"kubeiso.dev/pkg/cri-docker/internal/state"
	"kubeiso.dev/pkg/cri-docker/internal/stats"
)

// Labels of the containers that this server makes. All else about them lies in its records.
const (
	labelKind     = "io.kubeiso.cri"
	labelSandbox  = "io.kubeiso.cri.sandbox"
	kindSandbox   = "sandbox"
	kindContainer = "container"
)

// Network gives sandboxes their network (package network).
type Network interface {
	Status() error
	Add(ctx context.Context, id, path string, config *runtime.PodSandboxConfig) ([]string, error)
	Remove(ctx context.Context, id, path string, config *runtime.PodSandboxConfig) error
}

// Logs writes the containers' logs (package logs).
type Logs interface {
	Follow(id, docker, path string) error
	Flush(id string)
	Reopen(id string) (bool, error)
	Stop(id string)
	Forget(id string)
}

// Settings say how the node is made.
type Settings struct {
	// Pause is the image of sandboxes.
	Pause string
	// Dir is where pods' files lie.
	Dir string
	// ResolvConf is the node's own, for pods that name no DNS servers.
	ResolvConf string
	// Roots are where the kernel shows processes and cgroups.
	Roots stats.Roots
}

// Parts are what a Runtime works with.
type Parts struct {
	Engine     engine.Engine
	Sandboxes  *state.Store[state.Sandbox]
	Containers *state.Store[state.Container]
	Network    Network
	Logs       Logs
	Meter      *stats.Meter
	// Pull fetches an image; the one for sandboxes may be missing.
	Pull func(ctx context.Context, image string) error
}

// Runtime is CRI's RuntimeService.
type Runtime struct {
	runtime.UnimplementedRuntimeServiceServer
	Parts
	settings Settings
	streams  streaming.Server

	version engineVersion

	// making is held for reading while something is made, whose record is not complete yet.
	making sync.RWMutex
}

// New gives a runtime with its streaming server, which listens at the address (of this node alone) once it is started.
func New(parts Parts, settings Settings, address string) (*Runtime, error) {
	made := &Runtime{Parts: parts, settings: settings}
	config := streaming.DefaultConfig
	config.Addr = address
	var err error
	made.streams, err = streaming.NewServer(config, streamer{made})
	return made, err
}

// ServeStreams serves exec, attach and port-forward. It does not return before it fails.
func (r *Runtime) ServeStreams() error { return r.streams.Start(true) }

// podDir is where a pod's own files lie.
func (r *Runtime) podDir(id string) string { return filepath.Join(r.settings.Dir, "pods", id) }

// states gives how each container of this server is, by id.
func (r *Runtime) states(ctx context.Context) (map[string]containerState, error) {
	list, err := r.Engine.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", labelKind),
	})
	if err != nil {
		return nil, err
	}
	found := map[string]containerState{}
	for _, each := range list.Items {
		found[each.ID] = containerState{State: each.State, kind: each.Labels[labelKind], created: each.Created}
	}
	return found, nil
}

// inspect asks Docker for all of one container.
func (r *Runtime) inspect(ctx context.Context, id string) (client.ContainerInspectResult, error) {
	return r.Engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
}

// pid gives a container's first process; 0 where it does not run.
func (r *Runtime) pid(ctx context.Context, id string) (int, error) {
	found, err := r.inspect(ctx, id)
	if err != nil || found.Container.State == nil || !found.Container.State.Running {
		return 0, err
	}
	return found.Container.State.Pid, nil
}
