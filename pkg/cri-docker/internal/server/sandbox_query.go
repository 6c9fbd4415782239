package server

import (
	"context"
	"strings"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"kubeiso.dev/pkg/cri-docker/internal/roster"
	"kubeiso.dev/pkg/cri-docker/internal/state"
)

// PodSandboxStatus tells how a pod is.
func (r *Runtime) PodSandboxStatus(
	ctx context.Context, request *runtime.PodSandboxStatusRequest,
) (*runtime.PodSandboxStatusResponse, error) {
	id, record, err := r.Sandboxes.Get(request.PodSandboxId)
	if err != nil {
		return nil, err
	}
	states, err := r.states(ctx)
	if err != nil {
		return nil, err
	}
	if _, found := states[id]; !found {
		return nil, state.ErrNotFound
	}
	answer := &runtime.PodSandboxStatusResponse{Status: sandboxStatus(id, record, states[id])}
	if request.Verbose {
		answer.Info, err = verbose(record.Config)
	}
	return answer, err
}

func sandboxStatus(id string, record state.Sandbox, now roster.State) *runtime.PodSandboxStatus {
	return &runtime.PodSandboxStatus{
		Id: id, Metadata: record.Config.Metadata, State: sandboxState(record, now), CreatedAt: record.Created,
		Network: networkStatus(record.IPs), RuntimeHandler: record.Handler,
		Linux:  &runtime.LinuxPodSandboxStatus{Namespaces: &runtime.Namespace{Options: namespaces(record.Config)}},
		Labels: record.Config.Labels, Annotations: record.Config.Annotations,
	}
}

func networkStatus(ips []string) *runtime.PodSandboxNetworkStatus {
	found := &runtime.PodSandboxNetworkStatus{}
	for number, ip := range ips {
		if number == 0 {
			found.Ip = ip
		} else {
			found.AdditionalIps = append(found.AdditionalIps, &runtime.PodIP{Ip: ip})
		}
	}
	return found
}

func sandboxState(record state.Sandbox, now roster.State) runtime.PodSandboxState {
	if now.Runs() && record.Made && !record.Stopped {
		return runtime.PodSandboxState_SANDBOX_READY
	}
	return runtime.PodSandboxState_SANDBOX_NOTREADY
}

// ListPodSandbox lists the pods that fit the filter. Those that are being made are not there yet.
func (r *Runtime) ListPodSandbox(ctx context.Context, request *runtime.ListPodSandboxRequest) (*runtime.ListPodSandboxResponse, error) {
	items, err := r.sandboxes(ctx, request.Filter)
	return &runtime.ListPodSandboxResponse{Items: items}, err
}

func (r *Runtime) sandboxes(ctx context.Context, filter *runtime.PodSandboxFilter) ([]*runtime.PodSandbox, error) {
	states, err := r.states(ctx)
	if err != nil {
		return nil, err
	}
	var items []*runtime.PodSandbox
	for id, record := range r.Sandboxes.All() {
		now, found := states[id]
		if !found || !record.Made {
			continue
		}
		item := &runtime.PodSandbox{
			Id: id, Metadata: record.Config.Metadata, State: sandboxState(record, now), CreatedAt: record.Created,
			Labels: record.Config.Labels, Annotations: record.Config.Annotations, RuntimeHandler: record.Handler,
		}
		if fitsSandbox(item, filter) {
			items = append(items, item)
		}
	}
	return items, nil
}

func fitsSandbox(item *runtime.PodSandbox, filter *runtime.PodSandboxFilter) bool {
	return strings.HasPrefix(item.Id, filter.GetId()) && fitsLabels(item.Labels, filter.GetLabelSelector()) &&
		(filter.GetState() == nil || filter.State.State == item.State)
}

func fitsLabels(labels, wanted map[string]string) bool {
	for key, value := range wanted {
		if found, has := labels[key]; !has || found != value {
			return false
		}
	}
	return true
}
