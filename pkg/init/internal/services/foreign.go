package services

import (
	"context"
	"sync"
	"time"

	"github.com/containerd/containerd/api/services/tasks/v1"
	"github.com/containerd/containerd/api/types/task"
	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"golang.org/x/sys/unix"
)

const foreignPoll = 200 * time.Millisecond

// stopForeign ends the tasks of all namespaces but own: the containers of pods. They get SIGTERM, and SIGKILL ten seconds
// later.
func stopForeign(client *containerd.Client, own map[string]bool) {
	ctx, cancel := context.WithTimeout(context.Background(), 3*stopPeriod)
	defer cancel()
	names, err := client.NamespaceService().List(ctx)
	if err != nil {
		return
	}
	var group sync.WaitGroup
	for _, name := range names {
		if !own[name] {
			group.Go(func() { stopTasks(namespaces.WithNamespace(ctx, name), client.TaskService()) })
		}
	}
	group.Wait()
}

func stopTasks(ctx context.Context, service tasks.TasksClient) {
	killRunning(ctx, service, unix.SIGTERM)
	for begin := time.Now(); time.Since(begin) < stopPeriod; time.Sleep(foreignPoll) {
		if len(running(ctx, service)) == 0 {
			return
		}
	}
	killRunning(ctx, service, unix.SIGKILL)
}

func killRunning(ctx context.Context, service tasks.TasksClient, signal unix.Signal) {
	for _, id := range running(ctx, service) {
		_, _ = service.Kill(ctx, &tasks.KillRequest{ContainerID: id, Signal: uint32(signal)})
	}
}

// running gives the containers of a namespace whose task has not ended.
func running(ctx context.Context, service tasks.TasksClient) []string {
	answer, err := service.List(ctx, &tasks.ListTasksRequest{})
	if err != nil {
		return nil
	}
	var ids []string
	for _, each := range answer.Tasks {
		if each.Status == task.Status_RUNNING || each.Status == task.Status_PAUSED {
			ids = append(ids, each.ID)
		}
	}
	return ids
}
