package server

import (
	"context"
	"encoding/json"
	"sync"

	"github.com/moby/moby/client"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	runtimeName = "docker"
	apiVersion  = "v1"
)

// engineVersion is the engine's version, once it is known: it stays the same while a node runs.
type engineVersion struct {
	sync.Mutex
	known string
}

// Version names the engine.
func (r *Runtime) Version(ctx context.Context, _ *runtime.VersionRequest) (*runtime.VersionResponse, error) {
	found, err := r.engineVersion(ctx)
	if err != nil {
		return nil, err
	}
	return &runtime.VersionResponse{
		Version: "0.1.0", RuntimeName: runtimeName, RuntimeVersion: found, RuntimeApiVersion: apiVersion,
	}, nil
}

func (r *Runtime) engineVersion(ctx context.Context) (string, error) {
	r.version.Lock()
	defer r.version.Unlock()
	if r.version.known != "" {
		return r.version.known, nil
	}
	found, err := r.Engine.ServerVersion(ctx, client.ServerVersionOptions{})
	r.version.known = found.Version
	return found.Version, err
}

// Status tells whether the engine answers and whether pods can have a network.
func (r *Runtime) Status(ctx context.Context, request *runtime.StatusRequest) (*runtime.StatusResponse, error) {
	// Docker's /info would do, and logs a warning each time that it misses a program nobody needs.
	_, pingErr := r.Engine.Ping(ctx, client.PingOptions{})
	answer := &runtime.StatusResponse{
		Status: &runtime.RuntimeStatus{Conditions: []*runtime.RuntimeCondition{
			condition(runtime.RuntimeReady, "DockerDaemonNotReady", pingErr),
			condition(runtime.NetworkReady, "NetworkPluginNotReady", r.Network.Status()),
		}},
		// Docker has one user namespace for all containers or none, so pods can have none of their own.
		RuntimeHandlers: []*runtime.RuntimeHandler{{
			Features: &runtime.RuntimeHandlerFeatures{RecursiveReadOnlyMounts: true},
		}},
		Features: &runtime.RuntimeFeatures{},
	}
	if request.Verbose {
		text, err := json.Marshal(r.settings)
		if err != nil {
			return nil, err
		}
		answer.Info = map[string]string{"config": string(text)}
	}
	return answer, nil
}

func condition(name, reason string, err error) *runtime.RuntimeCondition {
	if err == nil {
		return &runtime.RuntimeCondition{Type: name, Status: true}
	}
	return &runtime.RuntimeCondition{Type: name, Reason: reason, Message: err.Error()}
}

// RuntimeConfig tells the kubelet the cgroup driver, which then is its own too.
func (r *Runtime) RuntimeConfig(context.Context, *runtime.RuntimeConfigRequest) (*runtime.RuntimeConfigResponse, error) {
	return &runtime.RuntimeConfigResponse{
		Linux: &runtime.LinuxRuntimeConfiguration{CgroupDriver: runtime.CgroupDriver_CGROUPFS},
	}, nil
}

// UpdateRuntimeConfig is told the node's range of pods, which CNI's configuration has already.
func (r *Runtime) UpdateRuntimeConfig(
	context.Context, *runtime.UpdateRuntimeConfigRequest,
) (*runtime.UpdateRuntimeConfigResponse, error) {
	return &runtime.UpdateRuntimeConfigResponse{}, nil
}
