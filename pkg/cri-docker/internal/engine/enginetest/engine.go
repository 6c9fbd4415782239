// Package enginetest has a Docker engine that lives in memory, for tests.
package enginetest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"kubeiso.dev/pkg/cri-docker/internal/engine"
)

// Engine keeps containers as Docker would, without running anything. What a test does not need is not there: a call of it fails.
type Engine struct {
	engine.Engine

	mu         sync.Mutex
	containers map[string]*Container
	images     map[string]client.ImageInspectResult
	made       int
	// Fail has errors that calls give, by the call's name; each once.
	Fail map[string]error
	// Calls are the names of the calls that changed something, with what they were about, in their order.
	Calls []string
}

// Container is one container of the engine.
type Container struct {
	ID, Name string
	Config   *container.Config
	Host     *container.HostConfig
	State    container.State
	LogPath  string
}

// New gives an engine with images by name, each of which has an id "sha256:NAME".
func New(images ...string) *Engine {
	made := &Engine{containers: map[string]*Container{}, images: map[string]client.ImageInspectResult{}, Fail: map[string]error{}}
	for _, name := range images {
		made.AddImage(name)
	}
	return made
}

func notFound(what string) error { return fmt.Errorf("no such %s: %w", what, errdefs.ErrNotFound) }

// enter locks, notes the call and gives the error that it shall have.
func (e *Engine) enter(call, about string) error {
	e.mu.Lock()
	e.Calls = append(e.Calls, call+" "+about)
	err := e.Fail[call]
	delete(e.Fail, call)
	return err
}

// find gives a container by id or name; the lock is held.
func (e *Engine) find(id string) (*Container, error) {
	for _, each := range e.containers {
		if each.ID == id || each.Name == id {
			return each, nil
		}
	}
	return nil, notFound("container " + id)
}

// Containers gives all containers by name.
func (e *Engine) Containers() map[string]*Container {
	e.mu.Lock()
	defer e.mu.Unlock()
	found := map[string]*Container{}
	for _, each := range e.containers {
		found[each.Name] = each
	}
	return found
}

// End lets a container's process end.
func (e *Engine) End(id string, code int) {
	e.mu.Lock()
	defer e.mu.Unlock()
	found, err := e.find(id)
	if err != nil {
		return
	}
	found.State = container.State{
		Status: container.StateExited, ExitCode: code, StartedAt: found.State.StartedAt, FinishedAt: now(),
	}
}

func now() string { return time.Now().UTC().Format(time.RFC3339Nano) }

// ContainerCreate fails with a conflict for a name that is taken, and for an image that is not there.
func (e *Engine) ContainerCreate(_ context.Context, options client.ContainerCreateOptions) (client.ContainerCreateResult, error) {
	err := e.enter("create", options.Name)
	defer e.mu.Unlock()
	if err != nil {
		return client.ContainerCreateResult{}, err
	}
	if _, found := e.image(options.Config.Image); !found {
		return client.ContainerCreateResult{}, notFound("image " + options.Config.Image)
	}
	if _, err := e.find(options.Name); err == nil {
		return client.ContainerCreateResult{}, fmt.Errorf("the name is in use: %w", errdefs.ErrConflict)
	}
	e.made++
	id := fmt.Sprintf("%064x", e.made)
	e.containers[id] = &Container{
		ID: id, Name: options.Name, Config: options.Config, Host: options.HostConfig,
		State: container.State{Status: container.StateCreated, StartedAt: "0001-01-01T00:00:00Z"},
	}
	return client.ContainerCreateResult{ID: id}, nil
}

// ContainerStart lets a container run, with a process number of its own.
func (e *Engine) ContainerStart(_ context.Context, id string, _ client.ContainerStartOptions) (client.ContainerStartResult, error) {
	failure := e.enter("start", id)
	defer e.mu.Unlock()
	found, err := e.find(id)
	if err == nil {
		err = failure
	}
	if err == nil {
		found.State = container.State{Status: container.StateRunning, Running: true, Pid: 1000 + e.made, StartedAt: now()}
	}
	return client.ContainerStartResult{}, err
}

// ContainerStop ends a container's process with code 137.
func (e *Engine) ContainerStop(_ context.Context, id string, _ client.ContainerStopOptions) (client.ContainerStopResult, error) {
	failure := e.enter("stop", id)
	found, err := e.find(id)
	e.mu.Unlock()
	if err == nil {
		err = failure
	}
	if err == nil && found.State.Running {
		e.End(id, 137)
	}
	return client.ContainerStopResult{}, err
}

// ContainerRemove forgets a container.
func (e *Engine) ContainerRemove(_ context.Context, id string, _ client.ContainerRemoveOptions) (client.ContainerRemoveResult, error) {
	failure := e.enter("remove", id)
	defer e.mu.Unlock()
	found, err := e.find(id)
	if err == nil {
		err = failure
	}
	if err == nil {
		delete(e.containers, found.ID)
	}
	return client.ContainerRemoveResult{}, err
}

// ContainerInspect describes a container.
func (e *Engine) ContainerInspect(
	_ context.Context, id string, _ client.ContainerInspectOptions,
) (client.ContainerInspectResult, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	found, err := e.find(id)
	if err != nil {
		return client.ContainerInspectResult{}, err
	}
	state := found.State
	return client.ContainerInspectResult{Container: container.InspectResponse{
		ID: found.ID, Name: "/" + found.Name, State: &state, Config: found.Config, HostConfig: found.Host, LogPath: found.LogPath,
	}}, nil
}

// ContainerList lists those with the label of the filter, all of them.
func (e *Engine) ContainerList(_ context.Context, options client.ContainerListOptions) (client.ContainerListResult, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.Fail["list"]; err != nil {
		delete(e.Fail, "list")
		return client.ContainerListResult{}, err
	}
	var list client.ContainerListResult
	for _, each := range e.containers {
		wanted := true
		for label := range options.Filters["label"] {
			_, has := each.Config.Labels[label]
			wanted = wanted && has
		}
		if wanted {
			list.Items = append(list.Items, container.Summary{
				ID: each.ID, Names: []string{"/" + each.Name}, State: each.State.Status, Labels: each.Config.Labels,
			})
		}
	}
	return list, nil
}

// ContainerUpdate takes other limits.
func (e *Engine) ContainerUpdate(
	_ context.Context, id string, options client.ContainerUpdateOptions,
) (client.ContainerUpdateResult, error) {
	failure := e.enter("update", id)
	defer e.mu.Unlock()
	found, err := e.find(id)
	if err == nil {
		err = failure
	}
	if err == nil {
		found.Host.Resources = *options.Resources
	}
	return client.ContainerUpdateResult{}, err
}

// Ping answers.
func (e *Engine) Ping(context.Context, client.PingOptions) (client.PingResult, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return client.PingResult{}, e.Fail["ping"]
}

// ServerVersion names a version.
func (e *Engine) ServerVersion(context.Context, client.ServerVersionOptions) (client.ServerVersionResult, error) {
	failure := e.enter("version", "")
	defer e.mu.Unlock()
	if failure != nil {
		return client.ServerVersionResult{}, failure
	}
	return client.ServerVersionResult{Version: "29.8.0"}, nil
}

// SetLogPath says where a container's log lies.
func (e *Engine) SetLogPath(id, path string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if found, err := e.find(id); err == nil {
		found.LogPath = path
	}
}
