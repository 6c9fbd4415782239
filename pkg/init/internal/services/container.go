package services

import (
	"context"
	"errors"
	"fmt"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/containerd/containerd/v2/pkg/cio"
	"github.com/containerd/containerd/v2/pkg/namespaces"
	"github.com/containerd/errdefs"
	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/init/internal/bundle"
	"kubeiso.dev/pkg/init/internal/logfile"
)

const (
	// Namespace is LinuxKit's containerd namespace of services.
	Namespace = "services.linuxkit"

	runtimeName = "io.containerd.runc.v2"
	// callPeriod bounds one exchange with containerd; an emulated machine under load needs a minute for a start.
	callPeriod = 5 * time.Minute
	lostPoll   = time.Second
)

// instance is one run of a service.
type instance struct {
	client    *containerd.Client
	name      string
	namespace string
	container containerd.Container
	task      containerd.Task
	exit      <-chan containerd.ExitStatus
	cleanups  []func() error
}

// launch starts a service's container; after an error all is undone.
func launch(client *containerd.Client, preparer *bundle.Preparer, dir, logDir string) (*instance, error) {
	service, err := bundle.Load(dir)
	if err != nil {
		return nil, err
	}
	started := &instance{client: client, name: service.Name, namespace: namespaceOf(service)}
	if err := started.start(preparer, service, logDir); err != nil {
		return nil, errors.Join(err, started.remove(callPeriod))
	}
	return started, nil
}

func namespaceOf(service *bundle.Bundle) string {
	if service.Runtime.Namespace != "" {
		return service.Runtime.Namespace
	}
	return Namespace
}

// start goes from the bundle to the running process. What it makes is noted for remove.
func (i *instance) start(preparer *bundle.Preparer, service *bundle.Bundle, logDir string) error {
	ctx, cancel := i.context(callPeriod)
	defer cancel()
	if err := i.removeStale(ctx); err != nil {
		return fmt.Errorf("removing what was left of it: %w", err)
	}
	undo, err := preparer.Prepare(service)
	if err != nil {
		return err
	}
	i.cleanups = append(i.cleanups, undo)
	if err := i.create(ctx, service, logDir); err != nil {
		return err
	}
	if err := service.Attach(int(i.task.Pid())); err != nil {
		return err
	}
	if i.exit, err = i.task.Wait(i.forever()); err != nil {
		return fmt.Errorf("watching it: %w", err)
	}
	if err := i.task.Start(ctx); err != nil {
		return fmt.Errorf("starting it: %w", err)
	}
	return nil
}

// create makes the container and its task, with the output in LinuxKit's two logs.
func (i *instance) create(ctx context.Context, service *bundle.Bundle, logDir string) error {
	spec := service.Spec
	spec.Root.Path = service.Rootfs()
	if spec.Process.OOMScoreAdj == nil {
		spec.Process.OOMScoreAdj = new(int) // else it would be as unlikely a victim as containerd, its ancestor
	}
	container, err := i.client.NewContainer(ctx, i.name, containerd.WithRuntime(runtimeName, nil), containerd.WithSpec(&spec))
	if err != nil {
		return fmt.Errorf("making the container: %w", err)
	}
	i.container = container
	stdout, stderr := logfile.Open(logDir+"/"+i.name+".out.log"), logfile.Open(logDir+"/"+i.name+".log")
	i.cleanups = append(i.cleanups, stdout.Close, stderr.Close)
	if i.task, err = container.NewTask(ctx, cio.NewCreator(cio.WithStreams(nil, stdout, stderr))); err != nil {
		return fmt.Errorf("making the task: %w", err)
	}
	return nil
}

// removeStale removes a container of the same name, from before containerd's or the node's last end.
func (i *instance) removeStale(ctx context.Context) error {
	stale, err := i.client.LoadContainer(ctx, i.name)
	if errdefs.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	return removeContainer(ctx, stale)
}

// removeContainer removes a container and its task, which is killed if it runs.
func removeContainer(ctx context.Context, container containerd.Container) error {
	task, err := container.Task(ctx, nil)
	if err == nil {
		_, err = task.Delete(ctx, containerd.WithProcessKill)
	}
	if err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	if err := container.Delete(ctx); err != nil && !errdefs.IsNotFound(err) {
		return err
	}
	return nil
}

// wait gives the exit code, or -1 if it was lost. Containers outlive containerd: while that is away, wait tries again.
func (i *instance) wait() int {
	for {
		status := <-i.exit
		if status.Error() == nil {
			return int(status.ExitCode())
		}
		if !i.reattach() {
			return -1
		}
	}
}

// reattach finds the task again after containerd was away; false if there is no such task any more.
func (i *instance) reattach() bool {
	for {
		found, err := i.watchAgain()
		if err == nil {
			return found
		}
		time.Sleep(lostPoll)
	}
}

func (i *instance) watchAgain() (bool, error) {
	ctx, cancel := i.context(callPeriod)
	defer cancel()
	container, err := i.client.LoadContainer(ctx, i.name)
	if err == nil {
		_, err = container.Task(ctx, nil)
	}
	if errdefs.IsNotFound(err) {
		return false, nil
	}
	if err == nil {
		i.exit, err = i.task.Wait(i.forever())
	}
	return true, err
}

// signal sends a signal to the service's first process. While containerd is away it tries again, for a while.
func (i *instance) signal(number unix.Signal) {
	ctx, cancel := i.context(stopPeriod)
	defer cancel()
	for {
		err := i.task.Kill(ctx, number)
		if err == nil || errdefs.IsNotFound(err) || ctx.Err() != nil {
			return
		}
		sleep(ctx, lostPoll)
	}
}

// remove takes all away that launch made. A task that hangs in the kernel can't be: what is then left goes with the next start.
func (i *instance) remove(limit time.Duration) error {
	ctx, cancel := i.context(limit)
	defer cancel()
	var failures []error
	if i.task != nil {
		if _, err := i.task.Delete(ctx, containerd.WithProcessKill); err != nil && !errdefs.IsNotFound(err) {
			failures = append(failures, err)
		}
	}
	if i.container != nil {
		if err := i.container.Delete(ctx); err != nil && !errdefs.IsNotFound(err) {
			failures = append(failures, err)
		}
	}
	for n := len(i.cleanups) - 1; n >= 0; n-- {
		failures = append(failures, i.cleanups[n]())
	}
	return errors.Join(failures...)
}

func (i *instance) context(limit time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(i.forever(), limit)
}

func (i *instance) forever() context.Context {
	return namespaces.WithNamespace(context.Background(), i.namespace)
}
