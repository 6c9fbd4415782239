// Package oneshot runs the containers that come and go: those of onboot and of onshutdown.
package oneshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/init/internal/bundle"
	"kubeiso.dev/pkg/init/internal/process"
	"kubeiso.dev/pkg/initrd/console"
)

const (
	runc = "/usr/bin/runc"
	// alivePeriod spaces the lines that say that a step is at work still.
	alivePeriod = 30 * time.Second
)

// endPeriod is for a killed step to go, and for what is to be cleaned up after it.
var endPeriod = 30 * time.Second

// Runner runs steps one after another.
type Runner struct {
	Console  *console.Console
	Reaper   *process.Reaper
	Preparer *bundle.Preparer
	// LogDir gets a folder for each kind, with two files for each step.
	LogDir string
	// StateDir is for files that live as long as a step.
	StateDir string
	// Degrade is told of steps that failed, after which the node goes on in degraded mode.
	Degrade func(step string, why error) error
}

// RunAll runs every bundle in dir in name order, and reports each as stage kind. It ends at the first step that fails and is
// not optional; its error names that step. A missing dir has no steps.
func (r *Runner) RunAll(ctx context.Context, kind, dir string) error {
	dirs, err := bundle.List(dir)
	if err != nil {
		return err
	}
	return r.RunThose(ctx, kind, dirs)
}

// RunThose does so with the bundles in these folders.
func (r *Runner) RunThose(ctx context.Context, kind string, dirs []string) error {
	for _, dir := range dirs {
		if err := r.runOne(ctx, kind, dir); err != nil {
			return fmt.Errorf("%s step %s: %w", kind, filepath.Base(dir), err)
		}
	}
	return nil
}

// runOne runs and reports one step. What a step that succeeded wrote last to its standard output is the stage's note: so it can
// tell people what it found; what one that failed wrote last to its standard error is part of the stage's error. The failure of an
// optional one is reported and no error, as is that of one without which the node is degraded.
func (r *Runner) runOne(ctx context.Context, kind, dir string) error {
	name := filepath.Base(dir)
	stage := r.Console.Begin(kind, name).Announce()
	step, err := bundle.Load(dir)
	if err != nil {
		return stage.End(err, nil)
	}
	output, err := openOutput(filepath.Join(r.LogDir, kind), kind+"."+step.Name)
	if err != nil {
		return stage.End(err, nil)
	}
	fields := console.Fields{}
	code, err := r.bounded(ctx, alive{r.Console, kind, name}, step, output)
	output.settle()
	if code >= 0 {
		fields["code"] = code
	}
	if err == nil {
		if note := output.note(); note != "" {
			fields["note"] = note
		}
		return stage.End(nil, fields)
	}
	r.Console.Printf("%s", output.tail())
	if word := output.stderr.lastLine(); word != "" {
		err = fmt.Errorf("%w: %s", err, word)
	}
	return r.fail(stage, step, err, fields)
}

// fail reports a step's failure, and gives it back where the boot can't go on with it.
func (r *Runner) fail(stage *console.Stage, step *bundle.Bundle, err error, fields console.Fields) error {
	switch {
	case step.Optional():
		fields["optional"] = true
	case step.Degrades() && r.Degrade != nil:
		if noted := r.Degrade(step.Name, err); noted != nil { // what must not run would
			return stage.End(errors.Join(err, noted), fields)
		}
		fields["degraded"] = true
	default:
		return stage.End(err, fields)
	}
	_ = stage.End(err, fields)
	return nil
}

// bounded runs a step within its time. While it is at work there is a line now and then; one that hangs in the kernel is left behind.
func (r *Runner) bounded(ctx context.Context, alive alive, step *bundle.Bundle, output *output) (int, error) {
	defer alive.tell(alivePeriod)()
	return watched(ctx, step.Limit(), func(ctx context.Context) (int, error) { return r.run(ctx, step, output) })
}

// alive says of a step that it is at work.
type alive struct {
	console    *console.Console
	kind, name string
}

// running is the state of a step that takes long.
const running console.State = "running"

// tell writes a line again and again, until it is stopped.
func (a alive) tell(every time.Duration) (stop func()) {
	begin, ticker, done := time.Now(), time.NewTicker(every), make(chan struct{})
	go func() {
		for {
			select {
			case <-ticker.C:
				line := console.Line{Stage: a.kind, Name: a.name, State: running, Seconds: time.Since(begin).Seconds()}
				a.console.Report(line)
			case <-done:
				return
			}
		}
	}()
	return func() { ticker.Stop(); close(done) }
}

// watched does a step's work with a context that ends with its time; 0 is no limit.
func watched(ctx context.Context, limit time.Duration, work func(context.Context) (int, error)) (int, error) {
	var given <-chan time.Time
	if limit > 0 {
		bounded, cancel := context.WithTimeout(ctx, limit)
		defer cancel()
		ctx, given = bounded, time.After(limit+endPeriod)
	}
	type outcome struct {
		code int
		err  error
	}
	ended := make(chan outcome, 1)
	go func() {
		code, err := work(ctx)
		ended <- outcome{code, err}
	}()
	select {
	case done := <-ended:
		if done.err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return done.code, fmt.Errorf("it had not ended after %v: %w", limit, done.err)
		}
		return done.code, done.err
	case <-given:
		return -1, fmt.Errorf("it had not ended after %v, and can't be killed: a device that it waits for does not answer", limit)
	}
}

// run takes a step from its bundle to its exit code; the code is -1 if it did not come to run.
func (r *Runner) run(ctx context.Context, step *bundle.Bundle, output *output) (code int, err error) {
	undo, err := r.Preparer.Prepare(step)
	if err != nil {
		return -1, err
	}
	defer func() { err = errors.Join(err, undo()) }()
	if step.Attaches() {
		return r.inParts(ctx, step, output)
	}
	return r.atOnce(ctx, step, output)
}

// atOnce makes, starts and removes the container with one program, which ends with the code of the container's process.
func (r *Runner) atOnce(ctx context.Context, step *bundle.Bundle, output *output) (int, error) {
	file := filepath.Join(r.StateDir, step.Name+".pid")
	defer os.Remove(file)
	argv := []string{runc, "run", "--bundle", step.Dir, "--pid-file", file, step.Name}
	child, err := r.Reaper.Start(argv, output.stdout.writer, output.stderr.writer)
	if err != nil {
		return -1, err
	}
	select {
	case <-child.Done():
	case <-ctx.Done():
		_ = r.runc(output, "delete", "--force", step.Name)
		_ = child.Kill(unix.SIGKILL)
	}
	code := child.Wait()
	switch _, missing := os.Stat(file); {
	case code != 0 && missing != nil: // runc writes it before it starts the process
		return -1, fmt.Errorf("runc run: it ended with code %d", code)
	case code != 0:
		return code, fmt.Errorf("it ended with code %d", code)
	}
	return 0, nil
}

// inParts gives the step what it wants of the node after its container was made and before it is started.
func (r *Runner) inParts(ctx context.Context, step *bundle.Bundle, output *output) (int, error) {
	pid, err := r.create(step, output)
	if err != nil {
		return -1, err
	}
	defer func() { _ = r.runc(output, "delete", "--force", step.Name) }()
	child := r.Reaper.Adopt(pid)
	if err := step.Attach(pid); err != nil {
		return -1, err
	}
	if err := r.runc(output, "start", step.Name); err != nil {
		return -1, err
	}
	return await(ctx, child)
}

// create makes the container and gives its process, which waits to be started.
func (r *Runner) create(step *bundle.Bundle, output *output) (int, error) {
	file := filepath.Join(r.StateDir, step.Name+".pid")
	defer os.Remove(file)
	if err := r.runc(output, "create", "--bundle", step.Dir, "--pid-file", file, step.Name); err != nil {
		return 0, err
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}

func (r *Runner) runc(output *output, arguments ...string) error {
	err := r.Reaper.Run(append([]string{runc}, arguments...), output.stdout.writer, output.stderr.writer)
	if err != nil {
		return fmt.Errorf("runc %s: %w", arguments[0], err)
	}
	return nil
}

// await waits for the end of a step; if ctx ends first, the step is killed.
func await(ctx context.Context, child *process.Child) (int, error) {
	select {
	case <-child.Done():
	case <-ctx.Done():
		_ = child.Kill(unix.SIGKILL)
	}
	code := child.Wait()
	if code != 0 {
		return code, fmt.Errorf("it ended with code %d", code)
	}
	return 0, nil
}
