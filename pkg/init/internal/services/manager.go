// Package services keeps containerd and the node's services running.
package services

import (
	"context"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"time"

	containerd "github.com/containerd/containerd/v2/client"

	"kubeiso.dev/pkg/init/internal/bundle"
	"kubeiso.dev/pkg/init/internal/deadline"
	"kubeiso.dev/pkg/initrd/console"
)

// firstStopped is the service that must not start anything any more once the node stops.
const firstStopped = "kubelet"

// othersPeriod is what is kept of a shutdown's time for the services that end after the pods.
const othersPeriod = 25 * time.Second

// Manager has all services of the node.
type Manager struct {
	client   *containerd.Client
	services []*service
	// leftovers ends what containers of other namespaces are left once the pods are gone.
	leftovers func()
}

// NewManager gives a manager of the services in dir, none of them started. containerd must answer.
func NewManager(out *console.Console, preparer *bundle.Preparer, dir, logDir string) (*Manager, error) {
	client, err := containerd.New(Socket)
	if err != nil {
		return nil, fmt.Errorf("connecting to containerd: %w", err)
	}
	dirs, err := bundle.List(dir)
	if err != nil {
		return nil, err
	}
	manager := &Manager{client: client}
	for _, dir := range dirs {
		launcher := func(quit <-chan struct{}) (run, error) {
			if !awaitServing(quit) {
				return nil, ErrNotRunning
			}
			started, err := launch(client, preparer, dir, logDir)
			if err != nil {
				return nil, err
			}
			return started, nil
		}
		manager.services = append(manager.services, newService(out, dir, launcher))
	}
	manager.leftovers = func() { stopForeign(client, manager.namespaces()) }
	return manager, nil
}

// StartAll starts all services that the node has a use for, at once, and gives the names of those that failed, sorted; they are tried
// again on and on. Where ctx ends before all came up, those that are still at it are left to themselves.
func (m *Manager) StartAll(ctx context.Context) (failed []string) {
	var mu sync.Mutex
	var starts []func()
	for _, each := range m.services {
		if !wanted(each.dir) {
			continue
		}
		starts = append(starts, func() {
			if each.start() != nil {
				mu.Lock()
				defer mu.Unlock()
				failed = append(failed, filepath.Base(each.dir))
			}
		})
	}
	all(ctx, starts...)
	mu.Lock()
	defer mu.Unlock()
	slices.Sort(failed)
	return slices.Clone(failed)
}

// wanted says whether the service in dir is to be started at boot; one that can't be read is, so that its fault is told.
func wanted(dir string) bool {
	loaded, err := bundle.Load(dir)
	return err != nil || loaded.Wanted()
}

// StopAll stops the kubelet, then the pods in the way that is given, while the runtime and the network are there for them; then all
// other services and what containers of other namespaces are left, at once. It is over when ctx ends, whatever hangs.
func (m *Manager) StopAll(ctx context.Context, pods func(context.Context)) {
	m.stopThose(ctx, func(name string) bool { return name == firstStopped })
	forPods, cancel := context.WithTimeout(ctx, deadline.Left(ctx, time.Hour)-othersPeriod)
	defer cancel()
	pods(forPods)
	all(ctx,
		m.leftovers,
		func() { m.stopThose(ctx, func(name string) bool { return name != firstStopped }) },
	)
}

func (m *Manager) stopThose(ctx context.Context, wanted func(name string) bool) {
	var stops []func()
	for _, each := range m.services {
		if wanted(filepath.Base(each.dir)) {
			stops = append(stops, func() { _ = each.stop() })
		}
	}
	all(ctx, stops...)
}

// all does everything at once, and waits until it is done or ctx ends.
func all(ctx context.Context, work ...func()) {
	var group sync.WaitGroup
	for _, each := range work {
		group.Go(each)
	}
	done := make(chan struct{})
	go func() { group.Wait(); close(done) }()
	select {
	case <-done:
	case <-ctx.Done():
	}
}

// namespaces are those that the services live in.
func (m *Manager) namespaces() map[string]bool {
	own := map[string]bool{Namespace: true}
	for _, each := range m.services {
		if loaded, err := bundle.Load(each.dir); err == nil {
			own[namespaceOf(loaded)] = true
		}
	}
	return own
}

// List gives the status of every service, sorted by name.
func (m *Manager) List() []Status {
	var all []Status
	for _, each := range m.services {
		all = append(all, each.snapshot())
	}
	return all
}

// Start starts one service.
func (m *Manager) Start(name string) error { return m.with(name, (*service).start) }

// Stop stops one service; it stays stopped until it is started.
func (m *Manager) Stop(name string) error { return m.with(name, (*service).stop) }

// Restart stops one service, if it runs, and starts it.
func (m *Manager) Restart(name string) error {
	return m.with(name, func(found *service) error {
		if err := found.stop(); err != nil && err != ErrNotRunning {
			return err
		}
		return found.start()
	})
}

func (m *Manager) with(name string, act func(*service) error) error {
	for _, each := range m.services {
		if filepath.Base(each.dir) == name {
			return act(each)
		}
	}
	return fmt.Errorf("there is no service %q", name)
}
