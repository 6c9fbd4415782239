// Package process starts programs and takes the exit of every process that ends, as the first process of a system must.
//
// One goroutine reaps all children by wait4(-1) and hands each exit to whoever started or adopted the process. So no exit is
// taken from under someone, and none is left. Within this program nothing else may wait for children: use Start, not os/exec.
package process

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// keptExits bounds the exits of unknown processes that are remembered for Adopt.
const keptExits = 64

// Reaper owns the children of this process.
type Reaper struct {
	slack    time.Duration
	mu       sync.Mutex
	children map[int]*Child
	unknown  []exit
}

type exit struct {
	pid    int
	status unix.WaitStatus
}

// Child is a process whose exit will be told.
type Child struct {
	Pid    int
	reaper *Reaper
	done   chan struct{}
	status unix.WaitStatus
}

// NewReaper starts reaping. It must be called once, before any process is started. What is started inherits the timer slack, and
// hands it on to its own children; 0 leaves the kernel's.
func NewReaper(slack time.Duration) *Reaper {
	reaper := &Reaper{slack: slack, children: map[int]*Child{}}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGCHLD)
	go func() {
		reaper.reap()
		for range signals {
			reaper.reap()
		}
	}()
	return reaper
}

// Start runs a program with this process's environment and more; argv[0] is its path. Its standard input is empty. The lock is held
// over the fork, so its exit cannot come before it is known.
func (r *Reaper) Start(argv []string, stdout, stderr *os.File, more ...string) (*Child, error) {
	stdin, err := os.Open(os.DevNull)
	if err != nil {
		return nil, err
	}
	defer stdin.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	started, err := r.fork(argv, &os.ProcAttr{Env: append(os.Environ(), more...), Files: []*os.File{stdin, stdout, stderr}})
	if err != nil {
		return nil, err
	}
	child := r.register(started.Pid)
	return child, started.Release()
}

// fork starts the program from a thread with the timer slack, which a child inherits.
func (r *Reaper) fork(argv []string, attributes *os.ProcAttr) (*os.Process, error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := unix.Prctl(unix.PR_SET_TIMERSLACK, uintptr(r.slack.Nanoseconds()), 0, 0, 0); err != nil {
		return nil, fmt.Errorf("setting the timer slack: %w", err)
	}
	return os.StartProcess(argv[0], argv, attributes)
}

// Adopt takes over a process that a child left behind (an orphan becomes a child of the first process). It works for one that
// has ended a moment ago, too.
func (r *Reaper) Adopt(pid int) *Child {
	r.mu.Lock()
	defer r.mu.Unlock()
	child := r.register(pid)
	for i := len(r.unknown) - 1; i >= 0; i-- {
		if r.unknown[i].pid == pid {
			r.finish(child, r.unknown[i].status)
			r.unknown = append(r.unknown[:i], r.unknown[i+1:]...)
			break
		}
	}
	return child
}

func (r *Reaper) register(pid int) *Child {
	child := &Child{Pid: pid, reaper: r, done: make(chan struct{})}
	r.children[pid] = child
	return child
}

func (r *Reaper) finish(child *Child, status unix.WaitStatus) {
	delete(r.children, child.Pid)
	child.status = status
	close(child.done)
}

// reap takes every exit there is. One signal may stand for several exits.
func (r *Reaper) reap() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, unix.WNOHANG, nil)
		if err == unix.EINTR {
			continue
		}
		if err != nil || pid == 0 {
			return
		}
		if child, known := r.children[pid]; known {
			r.finish(child, status)
		} else {
			r.remember(exit{pid, status})
		}
	}
}

func (r *Reaper) remember(ended exit) {
	if len(r.unknown) == keptExits {
		r.unknown = r.unknown[1:]
	}
	r.unknown = append(r.unknown, ended)
}

// Done is closed when the process has ended.
func (c *Child) Done() <-chan struct{} { return c.done }

// Wait gives the exit code once the process has ended: 128 and the signal's number if a signal ended it.
func (c *Child) Wait() int {
	<-c.done
	if c.status.Signaled() {
		return 128 + int(c.status.Signal())
	}
	return c.status.ExitStatus()
}

// Kill sends a signal, unless the process has ended: its number may belong to another one by then.
func (c *Child) Kill(signal unix.Signal) error {
	c.reaper.mu.Lock()
	defer c.reaper.mu.Unlock()
	if c.reaper.children[c.Pid] != c {
		return os.ErrProcessDone
	}
	return unix.Kill(c.Pid, signal)
}

// Run runs a program to its end; an exit code other than 0 is an error.
func (r *Reaper) Run(argv []string, stdout, stderr *os.File) error {
	child, err := r.Start(argv, stdout, stderr)
	if err != nil {
		return err
	}
	if code := child.Wait(); code != 0 {
		return fmt.Errorf("%s ended with code %d", argv[0], code)
	}
	return nil
}
