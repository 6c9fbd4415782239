package node

import (
	"context"
	"path/filepath"
	"time"

	"kubeiso.dev/pkg/init/internal/power"
	"kubeiso.dev/pkg/initrd/console"
)

// bootEnd is how long a boot that is under way may take to notice that the node stops.
const bootEnd = 30 * time.Second

// shutdown stops everything in the reverse order of the boot, then the machine. It never returns.
func (n *Node) shutdown(action power.Action, booted <-chan struct{}) {
	stage := n.console.Begin("shutdown", string(action)).Announce()
	select {
	case <-booted:
	case <-time.After(bootEnd):
	}
	n.stopServices()
	if err := n.runner.RunAll(context.Background(), "onshutdown", filepath.Join(containersDir, "onshutdown")); err != nil {
		n.console.Printf("%v", err)
	}
	power.EndProcesses()
	_ = stage.End(power.UnmountDisks(), nil)
	n.console.Report(console.Line{Stage: "poweroff", Name: string(action), State: console.OK, Seconds: -1})
	n.console.Drain()
	err := action.Now()
	n.console.Printf("This machine does not do %s: %v", action, err)
	select {}
}

// stopServices stops the services, if there are any yet, then containerd.
func (n *Node) stopServices() {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.manager != nil {
		n.manager.StopAll()
	}
	if n.daemon != nil {
		n.daemon.Stop()
	}
}
