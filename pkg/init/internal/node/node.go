// Package node takes a machine from its first process to its services, and back.
package node

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"time"

	"kubeiso.dev/pkg/init/internal/bundle"
	"kubeiso.dev/pkg/init/internal/control"
	"kubeiso.dev/pkg/init/internal/crash"
	"kubeiso.dev/pkg/init/internal/logfile"
	"kubeiso.dev/pkg/init/internal/oneshot"
	"kubeiso.dev/pkg/init/internal/power"
	"kubeiso.dev/pkg/init/internal/process"
	"kubeiso.dev/pkg/init/internal/screen"
	"kubeiso.dev/pkg/init/internal/services"
	"kubeiso.dev/pkg/init/internal/system"
	"kubeiso.dev/pkg/init/internal/watchdog"
	"kubeiso.dev/pkg/initrd/console"
	"kubeiso.dev/pkg/initrd/cpu"
	"kubeiso.dev/pkg/initrd/kmod"
	"kubeiso.dev/pkg/initrd/verity"
)

// LinuxKit's places.
const (
	containersDir = "/containers"
	onbootLogs    = "/run/log"
	serviceLogs   = "/var/log"
	moduleConfig  = "/etc/modules-load.d"
	hostnameGiven = "/run/config/hostname"
	hostnameImage = "/etc/hostname"
	resolvConf    = "/etc/resolv.conf"

	// watchdogOption is the kernel argument that says after how many seconds the hardware resets a node that hangs; 0: never.
	watchdogOption  = "kubeiso.watchdog"
	watchdogSeconds = 60

	searchPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
)

// Node is the machine that this process is the first one of.
type Node struct {
	console *console.Console
	screen  *screen.Screen
	reaper  *process.Reaper
	runner  *oneshot.Runner
	actions chan power.Action
	dog     watchdog.Dog
	// degraded is why the node is not what it should be.
	degraded condition
	// medium tells of damage that a step of the boot came upon.
	medium verity.Messages
	// processor is closed when the modules of the processor's features are there.
	processor chan struct{}
	// cpuMillis is the processor's measure, taken before anything else runs.
	cpuMillis int64

	mu      sync.Mutex
	daemon  *services.Daemon
	manager *services.Manager
}

// Run is the first process's whole life: it boots, waits for a reason to stop, and stops the machine. It never returns.
func Run() {
	begin := time.Now()
	mountErr := system.MountAll()
	out := console.Open()
	mountErr = out.BeginAt("mounts", "", begin).End(mountErr, nil)
	node := &Node{console: out, reaper: process.NewReaper(system.TimerSlack()), actions: make(chan power.Action, 1), processor: make(chan struct{})}
	node.degraded.file = degradedFile
	node.screen = screen.Open(out, node.degraded.all)
	watchMedium(out)
	node.runner = &oneshot.Runner{
		Console: out, Reaper: node.reaper, Preparer: bundle.NewPreparer(), LogDir: onbootLogs, StateDir: system.StateDir,
		Degrade: node.degraded.add,
	}
	power.Notify(node.actions)
	ctx, cancel := context.WithCancel(context.Background())
	booted := make(chan struct{})
	go func() {
		defer close(booted)
		if err := node.boot(ctx, mountErr); err != nil && ctx.Err() == nil {
			node.explain(err)
		}
	}()
	action := <-node.actions
	cancel()
	node.shutdown(action, booted)
}

// boot brings the machine up, step by step. After an error it stays where it is.
func (n *Node) boot(ctx context.Context, mountErr error) error {
	if mountErr != nil {
		return mountErr
	}
	n.cpuMillis = cpu.Measure()
	steps := []func(context.Context) error{
		n.prepare, n.modules, n.hostname, n.volumes, n.onboot, n.renamed, n.services,
	}
	for _, step := range steps {
		if err := n.medium.Explain(step(ctx)); err != nil {
			return err
		}
	}
	return nil
}

// prepare does what needs no line of its own. Nothing here is worth stopping a boot for.
func (n *Node) prepare(context.Context) error {
	if err := os.Setenv("PATH", searchPath); err != nil {
		return err
	}
	for name, do := range map[string]func() error{
		"limits": system.SetLimits, "loopback": system.LoopbackUp,
		"resolv.conf": func() error { return system.MakeResolvConf(resolvConf) },
	} {
		if err := do(); err != nil {
			n.console.Printf("Setting up %s: %v", name, err)
		}
	}
	return nil
}

// modules loads the modules and listens for new devices from then on. The clock comes after: its driver may be a module.
func (n *Node) modules(context.Context) error {
	stage := n.console.Begin("modules", "")
	cmdline, _ := os.ReadFile("/proc/cmdline")
	loader, err := kmod.NewLoader(string(cmdline))
	if err != nil {
		return stage.End(err, nil)
	}
	buttons := power.NewButtons(n.actions)
	events, err := system.ListenUevents()
	if err != nil {
		return stage.End(err, nil)
	}
	result := system.LoadModules(loader, moduleConfig)
	go func() {
		defer close(n.processor)
		loader.ColdplugProcessor("/sys")
	}()
	go events.Hotplug(loader, func(subsystem string) {
		switch subsystem {
		case "input":
			buttons.Scan()
		case "watchdog":
			n.watch()
		}
	})
	buttons.Scan()
	n.dog.SetTimeout(system.Number(string(cmdline), watchdogOption, watchdogSeconds))
	n.watch()
	if err := system.SetClock(); err != nil {
		n.console.Printf("Setting up the clock: %v", err)
	}
	fields := console.Fields{"loaded": result.Loaded}
	if result.Missing != nil {
		fields["missing"] = result.Missing
	}
	return stage.End(nil, fields)
}

// watch takes the hardware's watchdog as soon as there is one.
func (n *Node) watch() {
	stage := n.console.Begin("watchdog", "")
	if seconds, err := n.dog.Take(watchdog.Device); err != nil || seconds > 0 {
		_ = stage.End(err, console.Fields{"timeout": seconds})
	}
}

func (n *Node) hostname(context.Context) error {
	stage := n.console.Begin("hostname", "")
	name, err := system.SetHostname(hostnameGiven, hostnameImage)
	return stage.End(err, console.Fields{"hostname": name})
}

// renamed takes the name that an onboot step (the metadata's) left; there is a line only if it is a new one.
func (n *Node) renamed(ctx context.Context) error {
	before, _ := os.Hostname()
	given, _ := os.ReadFile(hostnameGiven)
	if name := strings.TrimSpace(string(given)); name == "" || name == before {
		return nil
	}
	return n.hostname(ctx)
}

func (n *Node) volumes(context.Context) error {
	stage := n.console.Begin("volumes", "")
	count, err := bundle.MountVolumes(filepath.Join(containersDir, "volumes"))
	if err == nil && count == 0 {
		return nil
	}
	return stage.End(err, console.Fields{"volumes": count})
}

// onboot runs the onboot steps. containerd comes up as soon as those are over that it may depend on.
func (n *Node) onboot(ctx context.Context) error {
	dirs, err := bundle.List(filepath.Join(containersDir, "onboot"))
	if err != nil {
		return err
	}
	before, beside := bundle.Apart(dirs)
	if err := n.runner.RunThose(ctx, "onboot", before); err != nil {
		return err
	}
	if err := system.FillVar("/var"); err != nil { // a step may have mounted a disk there
		return fmt.Errorf("preparing /var: %w", err)
	}
	_ = os.Symlink(filepath.Join(onbootLogs, "onboot"), filepath.Join(serviceLogs, "onboot"))
	n.evidence(time.Now())
	answers := make(chan error, 1)
	go func() { answers <- n.containerd(ctx) }()
	if err := n.runner.RunThose(ctx, "onboot", beside); err != nil && ctx.Err() == nil {
		return err
	}
	return <-answers
}

// evidence keeps what kernels tell: all messages of this one, and the last ones of a kernel that died.
func (n *Node) evidence(now time.Time) {
	go func() {
		if err := crash.KeepMessages(logfile.Open(filepath.Join(serviceLogs, "kernel.log")), now); err != nil {
			n.console.Printf("The kernel's messages are not kept: %v", err)
		}
	}()
	found, err := crash.Collect(crash.Pstore, filepath.Join(serviceLogs, "crash"), now)
	if found == nil && err == nil {
		return
	}
	told := console.Line{Stage: "crash", State: console.OK, Seconds: -1}
	if err != nil {
		told.State, told.Error = console.Failed, err.Error()
	}
	if found != nil {
		told.Fields = console.Fields{"cause": found.Cause, "folder": found.Folder, "files": found.Files}
		n.console.Printf("\nThis machine's kernel died before this boot. Its last messages are in %s.", found.Folder)
	}
	n.console.Report(told)
}

func (n *Node) containerd(ctx context.Context) error {
	daemon, err := services.StartDaemon(ctx, n.console, n.reaper)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.daemon = daemon
	return nil
}

// services starts all services; one that fails is tried again and does not keep the node from being ready.
func (n *Node) services(ctx context.Context) error {
	dir := filepath.Join(containersDir, "services")
	manager, err := services.NewManager(n.console, n.runner.Preparer, dir, serviceLogs)
	if err != nil {
		return err
	}
	n.mu.Lock()
	n.manager = manager
	n.mu.Unlock()
	if err := control.Serve(control.Socket, manager, n.console); err != nil {
		return fmt.Errorf("listening on %s: %w", control.Socket, err)
	}
	failed := manager.StartAll(ctx)
	<-n.processor
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := n.medium.Explain(nil); err != nil {
		return err
	}
	n.ready(failed)
	return nil
}

func (n *Node) ready(failed []string) {
	fields := console.Fields{"cpu_ms": n.cpuMillis, "mem_mib": system.MemoryMiB(), "cpus": runtime.NumCPU()}
	if failed != nil {
		fields["failed"] = failed
	}
	n.degraded.tell(n.console, fields)
	n.console.Report(console.Line{Stage: "ready", State: console.OK, Seconds: -1, Fields: fields})
}

// explain tells people why the boot stopped.
func (n *Node) explain(err error) {
	n.screen.Stopped(err)
	services := "No service was started."
	if n.manager != nil {
		services = "Services may run all the same."
	}
	n.console.Printf("\nThe boot stopped: %v\n%s The logs of onboot steps are in %s/onboot.\n"+
		"The machine stays on; its power button or Ctrl-Alt-Del ends it.", err, services, onbootLogs)
}
