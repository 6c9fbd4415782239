package server

import (
	"context"
	"errors"
	"io/fs"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// ContainerStats measures one container; one that does not run has only its attributes.
func (r *Runtime) ContainerStats(ctx context.Context, request *runtime.ContainerStatsRequest) (*runtime.ContainerStatsResponse, error) {
	id, _, err := r.Containers.Get(request.ContainerId)
	if err != nil {
		return nil, err
	}
	found, err := r.list(ctx, &runtime.ContainerFilter{Id: id})
	if err != nil || len(found) == 0 {
		return &runtime.ContainerStatsResponse{}, err
	}
	measured, err := r.measure(ctx, found[0])
	return &runtime.ContainerStatsResponse{Stats: measured}, err
}

// ListContainerStats measures the running containers that fit the filter.
func (r *Runtime) ListContainerStats(
	ctx context.Context, request *runtime.ListContainerStatsRequest,
) (*runtime.ListContainerStatsResponse, error) {
	filter := request.GetFilter()
	stats, err := r.measureAll(ctx, &runtime.ContainerFilter{
		Id: filter.GetId(), PodSandboxId: filter.GetPodSandboxId(), LabelSelector: filter.GetLabelSelector(),
	})
	return &runtime.ListContainerStatsResponse{Stats: stats}, err
}

func (r *Runtime) measureAll(ctx context.Context, filter *runtime.ContainerFilter) ([]*runtime.ContainerStats, error) {
	found, err := r.list(ctx, filter)
	if err != nil {
		return nil, err
	}
	var stats []*runtime.ContainerStats
	for _, item := range found {
		if item.State != runtime.ContainerState_CONTAINER_RUNNING {
			continue
		}
		measured, err := r.measure(ctx, item)
		if err != nil {
			return nil, err
		}
		stats = append(stats, measured)
	}
	return stats, nil
}

// measure gives only the attributes of a container that has ended meanwhile.
func (r *Runtime) measure(ctx context.Context, item *runtime.Container) (*runtime.ContainerStats, error) {
	stats := &runtime.ContainerStats{Attributes: &runtime.ContainerAttributes{
		Id: item.Id, Metadata: item.Metadata, Labels: item.Labels, Annotations: item.Annotations,
	}}
	pid, err := r.pid(ctx, item.Id)
	if gone(err) || err == nil && pid == 0 {
		return stats, nil
	}
	if err != nil {
		return nil, err
	}
	usage, err := r.Meter.Container(item.Id, pid)
	if errors.Is(err, fs.ErrNotExist) {
		return stats, nil
	}
	if err != nil {
		return nil, err
	}
	stats.Cpu, stats.Memory, stats.Swap, stats.Io = usage.CPU, usage.Memory, usage.Swap, usage.IO
	stats.WritableLayer = r.Meter.Layer(item.Id, pid)
	return stats, nil
}

// PodSandboxStats measures one pod.
func (r *Runtime) PodSandboxStats(ctx context.Context, request *runtime.PodSandboxStatsRequest) (*runtime.PodSandboxStatsResponse, error) {
	id, _, err := r.Sandboxes.Get(request.PodSandboxId)
	if err != nil {
		return nil, err
	}
	found, err := r.sandboxes(ctx, &runtime.PodSandboxFilter{Id: id})
	if err != nil || len(found) == 0 {
		return &runtime.PodSandboxStatsResponse{}, err
	}
	measured, err := r.measurePod(ctx, found[0])
	return &runtime.PodSandboxStatsResponse{Stats: measured}, err
}

// ListPodSandboxStats measures the running pods that fit the filter.
func (r *Runtime) ListPodSandboxStats(
	ctx context.Context, request *runtime.ListPodSandboxStatsRequest,
) (*runtime.ListPodSandboxStatsResponse, error) {
	found, err := r.sandboxes(ctx, &runtime.PodSandboxFilter{
		Id: request.GetFilter().GetId(), LabelSelector: request.GetFilter().GetLabelSelector(),
		State: &runtime.PodSandboxStateValue{State: runtime.PodSandboxState_SANDBOX_READY},
	})
	answer := &runtime.ListPodSandboxStatsResponse{}
	for _, item := range found {
		measured, err := r.measurePod(ctx, item)
		if err != nil {
			return nil, err
		}
		answer.Stats = append(answer.Stats, measured)
	}
	return answer, err
}

func (r *Runtime) measurePod(ctx context.Context, item *runtime.PodSandbox) (*runtime.PodSandboxStats, error) {
	stats := &runtime.PodSandboxStats{
		Attributes: &runtime.PodSandboxAttributes{
			Id: item.Id, Metadata: item.Metadata, Labels: item.Labels, Annotations: item.Annotations,
		},
		Linux: &runtime.LinuxPodSandboxStats{},
	}
	_, record, err := r.Sandboxes.Get(item.Id)
	if err != nil {
		return stats, nil // it was removed meanwhile
	}
	if parent := record.Config.GetLinux().GetCgroupParent(); parent != "" {
		usage := r.Meter.Pod(item.Id, parent)
		stats.Linux.Cpu, stats.Linux.Memory, stats.Linux.Io = usage.CPU, usage.Memory, usage.IO
		stats.Linux.Process = &runtime.ProcessUsage{
			Timestamp: usage.CPU.Timestamp, ProcessCount: &runtime.UInt64Value{Value: usage.Processes},
		}
	}
	if pid, err := r.pid(ctx, item.Id); err == nil && pid != 0 {
		stats.Linux.Network = r.Meter.Network(pid)
	}
	stats.Linux.Containers, err = r.measureAll(ctx, &runtime.ContainerFilter{PodSandboxId: item.Id})
	return stats, err
}

// UpdatePodSandboxResources keeps a pod's limits, which the kubelet writes into the pod's cgroup itself.
func (r *Runtime) UpdatePodSandboxResources(
	_ context.Context, request *runtime.UpdatePodSandboxResourcesRequest,
) (*runtime.UpdatePodSandboxResourcesResponse, error) {
	id, record, err := r.Sandboxes.Get(request.PodSandboxId)
	if err != nil {
		return nil, err
	}
	record.Config = withPodResources(record.Config, request)
	return &runtime.UpdatePodSandboxResourcesResponse{}, r.Sandboxes.Put(id, record)
}
