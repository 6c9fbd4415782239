// Package pods ends the containers of pods as their own specifications want it, through the container runtime's CRI.
//
// The kubelet's own graceful shutdown needs systemd-logind, which a node does not have; and the pods that it ends have failed for
// good, so that one without a controller is gone after a reboot. What ends here runs again.
package pods

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"

	"kubeiso.dev/pkg/init/internal/deadline"
)

const (
	// Config is crictl's, and names the runtime.
	Config = "/etc/crictl.yaml"

	// The kubelet's own words on each container (pkg/kubelet/kuberuntime/labels.go).
	graceAnnotation = "io.kubernetes.pod.terminationGracePeriod"
	namespaceLabel  = "io.kubernetes.pod.namespace"
	// systemNamespace has what the other pods lean on: it ends last.
	systemNamespace = "kube-system"

	// defaultGrace is Kubernetes' own, for a container that says nothing.
	defaultGrace = 30 * time.Second
	// leastGrace is what is left to a container after a long hook, as the kubelet has it (minimumGracePeriodInSeconds).
	leastGrace = 2 * time.Second
	// answerPeriod bounds the first question to a runtime, which may be dead.
	answerPeriod = 10 * time.Second
)

// Stop ends all containers of pods: those of kube-system after all others. Each has its pod's own grace period, but all is over
// when ctx ends, and the others have at most two thirds of that time. A node without a runtime has none.
func Stop(ctx context.Context, config string) error {
	endpoint, err := endpointOf(config)
	if err != nil || endpoint == "" {
		return err
	}
	connection, err := grpc.NewClient(endpoint, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer connection.Close()
	client := cri.NewRuntimeServiceClient(connection)
	found, err := running(ctx, client)
	if err != nil {
		return fmt.Errorf("asking the container runtime for its containers: %w", err)
	}
	others, system := sorted(found)
	first, cancel := context.WithTimeout(ctx, 2*deadline.Left(ctx, defaultGrace)/3)
	defer cancel()
	return errors.Join(stop(first, client, others), stop(ctx, client, system))
}

// endpointOf reads the runtime's socket; "" where no runtime is configured.
func endpointOf(config string) (string, error) {
	text, err := os.ReadFile(config)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	for line := range strings.Lines(string(text)) {
		if value, found := strings.CutPrefix(line, "runtime-endpoint:"); found {
			return strings.TrimSpace(value), nil
		}
	}
	return "", err
}

func running(ctx context.Context, client cri.RuntimeServiceClient) ([]*cri.Container, error) {
	ctx, cancel := context.WithTimeout(ctx, answerPeriod)
	defer cancel()
	state := &cri.ContainerStateValue{State: cri.ContainerState_CONTAINER_RUNNING}
	answer, err := client.ListContainers(ctx, &cri.ListContainersRequest{Filter: &cri.ContainerFilter{State: state}})
	return answer.GetContainers(), err
}

func sorted(all []*cri.Container) (others, system []*cri.Container) {
	for _, each := range all {
		if each.Labels[namespaceLabel] == systemNamespace {
			system = append(system, each)
		} else {
			others = append(others, each)
		}
	}
	return others, system
}

// stop ends the containers side by side.
func stop(ctx context.Context, client cri.RuntimeServiceClient, containers []*cri.Container) error {
	failures := make([]error, len(containers))
	var group sync.WaitGroup
	for i, each := range containers {
		group.Go(func() {
			if err := end(ctx, client, each); err != nil {
				failures[i] = fmt.Errorf("ending container %s: %w", each.GetMetadata().GetName(), err)
			}
		})
	}
	group.Wait()
	return errors.Join(failures...)
}

// end lets a container do its preStop hook, which is part of its grace period; then the runtime sends the signal that the image
// asks for, and SIGKILL after what is left of the period. A hook that fails holds nothing.
func end(ctx context.Context, client cri.RuntimeServiceClient, container *cri.Container) error {
	grace := min(graceOf(container), deadline.Left(ctx, defaultGrace))
	begin, hooked := time.Now(), error(nil)
	if grace > 0 {
		hooking, cancel := context.WithTimeout(ctx, grace)
		hooked = runHook(hooking, client, container)
		cancel()
		grace = max(leastGrace, grace-time.Since(begin))
	}
	request := &cri.StopContainerRequest{ContainerId: container.Id, Timeout: int64(grace.Round(time.Second).Seconds())}
	_, err := client.StopContainer(ctx, request)
	return errors.Join(hooked, err)
}

func graceOf(container *cri.Container) time.Duration {
	seconds, err := strconv.ParseInt(container.Annotations[graceAnnotation], 10, 32)
	if err != nil || seconds < 0 {
		return defaultGrace
	}
	return time.Duration(seconds) * time.Second
}
