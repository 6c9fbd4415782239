package node

import (
	"context"
	"path/filepath"
	"time"

	"kubeiso.dev/pkg/init/internal/deadline"
	"kubeiso.dev/pkg/init/internal/logfile"
	"kubeiso.dev/pkg/init/internal/pods"
	"kubeiso.dev/pkg/init/internal/power"
	"kubeiso.dev/pkg/initrd/console"
)

const (
	// bootEnd is how long a boot that is under way may take to notice that the node stops.
	bootEnd = 30 * time.Second
	// shutdownLimit is for all that runs on the node to end: services, pods and steps.
	shutdownLimit = 2 * time.Minute
	// stepsLimit is the part of it that is kept for onshutdown's steps.
	stepsLimit = 20 * time.Second
	// finalLimit is for what comes after: disks, and the kernel's own end. A watchdog resets the machine then.
	finalLimit = 3 * time.Minute
	// drainLimit is for a console that takes no more.
	drainLimit = 5 * time.Second
	// onePress is how long a button may bounce, or two programs may ask for the same.
	onePress = 3 * time.Second
)

// shutdown stops everything in the reverse order of the boot, then the machine. It never returns.
func (n *Node) shutdown(action power.Action, booted <-chan struct{}) {
	stage := n.console.Begin("shutdown", string(action)).Announce()
	n.dog.Until(time.Now().Add(shutdownLimit + finalLimit))
	action, cut := conduct(shutdownLimit, action, n.actions, func(ctx context.Context) { n.stopAll(ctx, booted) })
	fields := console.Fields{}
	if cut != "" {
		fields["cut"] = cut
		n.console.Printf("The machine stops now, whatever still runs: %s", cut)
	}
	power.EndProcesses(cut != "")
	logfile.Seal()
	_ = stage.End(power.UnmountDisks(), fields)
	if action == power.Halt {
		_ = n.dog.Release()
	}
	n.console.Report(console.Line{Stage: "poweroff", Name: string(action), State: console.OK, Seconds: -1})
	n.drain()
	err := action.Now()
	n.console.Printf("This machine does not do %s: %v", action, err)
	select {}
}

// conduct lets everything end in good order: until that is done, the limit is over, or somebody asks again. It gives the action
// that was asked for last, and why it did not wait any longer.
func conduct(
	limit time.Duration, action power.Action, again <-chan power.Action, orderly func(context.Context),
) (power.Action, string) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	begin, done := time.Now(), make(chan struct{})
	go func() { defer close(done); orderly(ctx) }()
	for {
		select {
		case <-done:
			return action, ""
		case <-ctx.Done():
			return action, "not all ended within " + limit.String()
		case asked := <-again:
			if time.Since(begin) >= onePress {
				return asked, "asked again"
			}
		}
	}
}

// stopAll ends what the boot began.
func (n *Node) stopAll(ctx context.Context, booted <-chan struct{}) {
	select {
	case <-booted:
	case <-time.After(bootEnd):
	}
	n.stopServices(ctx)
	if err := n.runner.RunAll(ctx, "onshutdown", filepath.Join(containersDir, "onshutdown")); err != nil {
		n.console.Printf("%v", err)
	}
}

// stopServices stops the kubelet, the pods and all other services, if there are any yet, then containerd.
func (n *Node) stopServices(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, deadline.Left(ctx, shutdownLimit)-stepsLimit)
	defer cancel()
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.manager != nil {
		n.manager.StopAll(ctx, n.stopPods)
	}
	if n.daemon != nil {
		n.daemon.Stop()
	}
}

func (n *Node) stopPods(ctx context.Context) {
	stage := n.console.Begin("pods", "")
	_ = stage.End(pods.Stop(ctx, pods.Config), nil)
}

// drain waits until the console has shown all, but not for ever.
func (n *Node) drain() {
	drained := make(chan struct{})
	go func() { n.console.Drain(); close(drained) }()
	select {
	case <-drained:
	case <-time.After(drainLimit):
	}
}
