package server

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/moby/moby/client"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"kubeiso.dev/pkg/cri-docker/internal/roster"
	"kubeiso.dev/pkg/cri-docker/internal/state"
)

// Reasons of an end, as other runtimes name them.
const (
	reasonCompleted  = "Completed"
	reasonError      = "Error"
	reasonOOM        = "OOMKilled"
	reasonStartError = "StartError"
	// codeStartError is the exit code of what never ran.
	codeStartError = 128
)

// ListContainers lists the containers that fit the filter.
func (r *Runtime) ListContainers(ctx context.Context, request *runtime.ListContainersRequest) (*runtime.ListContainersResponse, error) {
	items, err := r.list(ctx, request.Filter)
	return &runtime.ListContainersResponse{Containers: items}, err
}

func (r *Runtime) list(ctx context.Context, filter *runtime.ContainerFilter) ([]*runtime.Container, error) {
	states, err := r.states(ctx)
	if err != nil {
		return nil, err
	}
	var items []*runtime.Container
	for id, record := range r.Containers.All() {
		now, found := states[id]
		if item := listed(id, record, now); found && fitsContainer(item, filter) {
			items = append(items, item)
		}
	}
	return items, nil
}

func listed(id string, record state.Container, now roster.State) *runtime.Container {
	return &runtime.Container{
		Id: id, PodSandboxId: record.Sandbox, Metadata: record.Config.Metadata, Image: record.Config.Image, ImageRef: record.ImageRef,
		ImageId: record.ImageID, State: stateOf(record, now), CreatedAt: record.Created, Labels: record.Config.Labels,
		Annotations: record.Config.Annotations,
	}
}

func fitsContainer(item *runtime.Container, filter *runtime.ContainerFilter) bool {
	return strings.HasPrefix(item.Id, filter.GetId()) && strings.HasPrefix(item.PodSandboxId, filter.GetPodSandboxId()) &&
		fitsLabels(item.Labels, filter.GetLabelSelector()) && (filter.GetState() == nil || filter.State.State == item.State)
}

func stateOf(record state.Container, now roster.State) runtime.ContainerState {
	switch {
	case now.Runs():
		return runtime.ContainerState_CONTAINER_RUNNING
	case record.StartError != "":
		return runtime.ContainerState_CONTAINER_EXITED
	case now.State == "created":
		return runtime.ContainerState_CONTAINER_CREATED
	}
	return runtime.ContainerState_CONTAINER_EXITED
}

// ContainerStatus tells all about a container. The log of one that has ended is complete when this returns.
func (r *Runtime) ContainerStatus(ctx context.Context, request *runtime.ContainerStatusRequest) (*runtime.ContainerStatusResponse, error) {
	id, record, err := r.Containers.Get(request.ContainerId)
	if err != nil {
		return nil, err
	}
	found, err := r.inspect(ctx, id)
	if err != nil {
		return nil, err
	}
	answer := &runtime.ContainerStatusResponse{Status: statusOf(id, record, found)}
	if answer.Status.State == runtime.ContainerState_CONTAINER_EXITED {
		r.Logs.Flush(id)
	}
	if request.Verbose {
		answer.Info, err = verbose(record.Config)
		answer.Info["pid"] = jsonOf(found.Container.State.Pid)
		answer.Info["sandboxID"] = record.Sandbox
	}
	return answer, err
}

func statusOf(id string, record state.Container, found client.ContainerInspectResult) *runtime.ContainerStatus {
	now := found.Container.State
	status := &runtime.ContainerStatus{
		Id: id, Metadata: record.Config.Metadata, CreatedAt: record.Created, Image: record.Config.Image, ImageRef: record.ImageRef,
		ImageId: record.ImageID, Labels: record.Config.Labels, Annotations: record.Config.Annotations, Mounts: record.Config.Mounts,
		LogPath: record.LogPath, State: stateOf(record, roster.State{State: now.Status}),
		Resources:  &runtime.ContainerResources{Linux: record.Config.GetLinux().GetResources()},
		StopSignal: signalOf(found.Container.Config.StopSignal),
	}
	if started(found) {
		status.StartedAt = nanoseconds(now.StartedAt)
	}
	if status.State == runtime.ContainerState_CONTAINER_EXITED {
		ended(status, record, found)
	}
	return status
}

// ended tells when and why a container came to its end.
func ended(status *runtime.ContainerStatus, record state.Container, found client.ContainerInspectResult) {
	now := found.Container.State
	if record.StartError != "" {
		status.StartedAt, status.FinishedAt = record.StartedAt, record.StartedAt
		status.ExitCode, status.Reason, status.Message = codeStartError, reasonStartError, record.StartError
		return
	}
	status.FinishedAt, status.ExitCode, status.Message = nanoseconds(now.FinishedAt), int32(now.ExitCode), now.Error
	switch {
	case now.OOMKilled:
		status.Reason = reasonOOM
	case now.ExitCode == 0:
		status.Reason = reasonCompleted
	default:
		status.Reason = reasonError
	}
}

// started says whether a container ever ran: Docker writes the year 1 where there is no time.
func started(found client.ContainerInspectResult) bool {
	return found.Container.State != nil && nanoseconds(found.Container.State.StartedAt) > 0
}

// nanoseconds since 1970; 0 for no time.
func nanoseconds(text string) int64 {
	read, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || read.Unix() <= 0 {
		return 0
	}
	return read.UnixNano()
}

// withResources gives the configuration with other limits; the one that is given, which others read, stays as it is.
func withResources(config *runtime.ContainerConfig, limits *runtime.LinuxContainerResources) *runtime.ContainerConfig {
	changed := proto.CloneOf(config)
	if changed.Linux == nil {
		changed.Linux = &runtime.LinuxContainerConfig{}
	}
	if changed.Linux.Resources == nil {
		changed.Linux.Resources = &runtime.LinuxContainerResources{}
	}
	proto.Merge(changed.Linux.Resources, limits)
	return changed
}

// verbose gives what `crictl inspect` shows beside.
func verbose(config proto.Message) (map[string]string, error) {
	text, err := protojson.Marshal(config)
	return map[string]string{"config": string(text)}, err
}

func jsonOf(value any) string {
	text, _ := json.Marshal(value)
	return string(text)
}
