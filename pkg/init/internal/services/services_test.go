package services

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/init/internal/paper"
	"kubeiso.dev/pkg/initrd/console"
)

func TestBackoff(t *testing.T) {
	tests := []struct {
		name  string
		lives []time.Duration
		want  []time.Duration
	}{
		{"doubles up to the limit", make([]time.Duration, 8), []time.Duration{1, 2, 4, 8, 16, 32, 60, 60}},
		{"short again after a calm life", []time.Duration{0, 0, 0, 60, 0}, []time.Duration{1, 2, 4, 1, 2}},
		{"not after a shorter one", []time.Duration{0, 59, 59}, []time.Duration{1, 2, 4}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			pauses := newBackoff()
			for i, life := range test.lives {
				if got := pauses.pause(life * time.Second); got != test.want[i]*time.Second {
					t.Errorf("pause %d: got %v, want %d s", i, got, test.want[i])
				}
			}
		})
	}
}

func TestReadOptions(t *testing.T) {
	tests := []struct {
		name, text string
		want       options
		problem    string
	}{
		{"all", "cliopts = \"--log-level debug\"\nstderr = \"/var/log/c.err\"\nstdout = \"stdout\"\n",
			options{"--log-level debug", "/var/log/c.err", "stdout", ""}, ""},
		{"defaults", "", options{"", daemonLog, daemonLog, ""}, ""},
		{"unknown", "env = [\"A=b\"]\nstderr = \"stderr\"\n[plugins]\nx = 1\ny = 2\n", options{"", "stderr", daemonLog, "env, plugins"}, ""},
		{"bad target", "stderr = \"syslog\"\n", options{}, "syslog"},
		{"no TOML", "cliopts = --x\n", options{}, "runtime-config.toml"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "runtime-config.toml")
			if err := os.WriteFile(path, []byte(test.text), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := readOptions(path)
			switch {
			case test.problem != "":
				if err == nil || !strings.Contains(err.Error(), test.problem) {
					t.Errorf("error %v does not name %s", err, test.problem)
				}
			case err != nil || got != test.want:
				t.Errorf("got %+v, %v", got, err)
			}
		})
	}
	if got, err := readOptions(filepath.Join(t.TempDir(), "none")); err != nil || got.Stderr != daemonLog {
		t.Errorf("missing file: %+v, %v", got, err)
	}
}

func TestReadEnvironment(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{
		"50-proxy.conf": "HTTPS_PROXY=http://p:3128\n\n# none\nNO_PROXY=.svc,10.0.0.0/8", "10-first.conf": "A=b=c\n", "60-other": "X=y\n",
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"A=b=c", "HTTPS_PROXY=http://p:3128", "NO_PROXY=.svc,10.0.0.0/8"}
	if got := readEnvironment(folder); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := readEnvironment(filepath.Join(folder, "none")); got != nil {
		t.Errorf("without a folder: %q", got)
	}
}

// fakeRun is a run that ends when it gets a signal or its exit is given.
type fakeRun struct {
	exit    chan int
	mu      sync.Mutex
	signals []unix.Signal
	removed bool
	limit   time.Duration
	stuck   bool // no signal ends it
}

func newFakeRun() *fakeRun { return &fakeRun{exit: make(chan int, 1)} }

func (f *fakeRun) pid() int  { return 42 }
func (f *fakeRun) wait() int { return <-f.exit }
func (f *fakeRun) signal(number unix.Signal) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.signals = append(f.signals, number)
	if !f.stuck {
		f.exit <- 128 + int(number)
	}
}
func (f *fakeRun) remove(limit time.Duration) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.removed, f.limit = true, limit
	return nil
}

// eventually waits until the condition holds.
func eventually(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < 20*time.Second; time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatalf("not within 20 s: %s", what)
}

// newFakeService gives a service whose runs come from launch, and its console.
func newFakeService(launch func(<-chan struct{}) (run, error)) (*service, *paper.Paper) {
	shown := &paper.Paper{}
	made := newService(console.New(shown), "/containers/services/kubelet", launch)
	made.never = func() bool { return false }
	return made, shown
}

func TestServiceRestarts(t *testing.T) {
	runs := []*fakeRun{newFakeRun(), newFakeRun()}
	next := 0
	kubelet, shown := newFakeService(func(<-chan struct{}) (run, error) { next++; return runs[next-1], nil })
	if err := kubelet.start(); err != nil {
		t.Fatal(err)
	}
	if err := kubelet.start(); err != ErrRunning {
		t.Errorf("second start: %v", err)
	}
	runs[0].exit <- 137
	eventually(t, "restart", func() bool { return kubelet.snapshot().Restarts == 1 && kubelet.snapshot().State == "running" })
	if status := kubelet.snapshot(); *status.Code != 137 || status.Pid != 42 || !runs[0].removed {
		t.Errorf("status %+v", status)
	}
	if err := errors.Join(kubelet.stop()); err != nil || kubelet.stop() != ErrNotRunning {
		t.Errorf("stop: %v", err)
	}
	if len(runs[1].signals) != 1 || runs[1].signals[0] != unix.SIGTERM || !runs[1].removed {
		t.Errorf("signals %v, removed %v", runs[1].signals, runs[1].removed)
	}
	for _, want := range []string{
		`"name":"kubelet","state":"ok"`, `"state":"exited","code":137,"restart_in":1}`, `"state":"restart"`, `"restarts":1`,
		`"state":"exited","code":143}`,
	} {
		if !strings.Contains(shown.String(), want) {
			t.Errorf("console lacks %s:\n%s", want, shown)
		}
	}
}

func TestServiceThatNeverRestarts(t *testing.T) {
	only := newFakeRun()
	job, shown := newFakeService(func(<-chan struct{}) (run, error) { return only, nil })
	job.never = func() bool { return true }
	if err := job.start(); err != nil {
		t.Fatal(err)
	}
	only.exit <- 0
	eventually(t, "stopped", func() bool { return job.snapshot().State == "stopped" })
	if strings.Contains(shown.String(), "restart") || job.stop() != ErrNotRunning {
		t.Errorf("console:\n%s", shown)
	}
}

func TestServiceThatFailsToStartIsTriedAgain(t *testing.T) {
	good := newFakeRun()
	attempts := 0
	kubelet, shown := newFakeService(func(<-chan struct{}) (run, error) {
		if attempts++; attempts == 1 {
			return nil, errors.New("no rootfs")
		}
		return good, nil
	})
	if err := kubelet.start(); err == nil || err.Error() != "no rootfs" {
		t.Errorf("start gave %v", err)
	}
	eventually(t, "running", func() bool { return kubelet.snapshot().State == "running" })
	if err := kubelet.stop(); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(shown.String(), `"state":"failed"`) || !strings.Contains(shown.String(), `"error":"no rootfs"`) {
		t.Errorf("console:\n%s", shown)
	}
}

func TestStopWhileWaitingForTheNextStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kubelet, _ := newFakeService(func(<-chan struct{}) (run, error) { return nil, errors.New("broken") })
		_ = kubelet.start()
		begin := time.Now()
		if err := kubelet.stop(); err != nil || time.Since(begin) != 0 {
			t.Errorf("stop took %v: %v", time.Since(begin), err)
		}
		if state := kubelet.snapshot().State; state != "stopped" {
			t.Errorf("state %s", state)
		}
	})
}

func TestManagerKnowsItsServices(t *testing.T) {
	manager := &Manager{}
	for _, act := range []func(string) error{manager.Start, manager.Stop, manager.Restart} {
		if err := act("nginx"); err == nil || !strings.Contains(err.Error(), `"nginx"`) {
			t.Errorf("unknown service: %v", err)
		}
	}
}

// hurry makes processes' time to end short.
func hurry(t *testing.T) {
	before := stopPeriod
	stopPeriod = 100 * time.Millisecond
	t.Cleanup(func() { stopPeriod = before })
}

func TestAContainerStuckInTheKernelDoesNotHoldTheOthers(t *testing.T) {
	hurry(t)
	stuck := newFakeRun()
	stuck.stuck = true
	service, _ := newFakeService(func(<-chan struct{}) (run, error) { return stuck, nil })
	if err := service.start(); err != nil {
		t.Fatal(err)
	}
	if err := service.stop(); err != nil || len(stuck.signals) != 2 || stuck.limit != 2*stopPeriod {
		t.Errorf("stopped: %v, signals %v, %v to remove it", err, stuck.signals, stuck.limit)
	}
}

// noted is a run that says when it is asked to end.
type noted struct {
	*fakeRun
	asked func()
}

func (n noted) signal(number unix.Signal) { n.asked(); n.fakeRun.signal(number) }

func TestTheKubeletEndsFirstThenThePodsThenAllElse(t *testing.T) {
	var mu sync.Mutex
	var order []string
	note := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		order = append(order, what)
	}
	manager := &Manager{leftovers: func() { note("rest") }}
	for _, name := range []string{"sshd", "kubelet", "syslog"} {
		what := name
		if name != "kubelet" {
			what = "rest"
		}
		made, _ := newFakeService(func(<-chan struct{}) (run, error) { return noted{newFakeRun(), func() { note(what) }}, nil })
		made.dir = "/containers/services/" + name
		if err := made.start(); err != nil {
			t.Fatal(err)
		}
		manager.services = append(manager.services, made)
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	manager.StopAll(ctx, func(forPods context.Context) {
		note("pods")
		whole, _ := ctx.Deadline()
		if until, bounded := forPods.Deadline(); !bounded || whole.Sub(until) < othersPeriod-time.Second {
			t.Errorf("the pods have until %v of %v", until, whole)
		}
	})
	if want := []string{"kubelet", "pods", "rest", "rest", "rest"}; !slices.Equal(order, want) {
		t.Errorf("ended %v", order)
	}
	for _, each := range manager.services {
		if state := each.snapshot().State; state != "stopped" {
			t.Errorf("%s is %s", each.dir, state)
		}
	}
}

func TestWhatIsStoppedIsWaitedForNoLongerThanTheShutdownLasts(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	forever := make(chan struct{})
	defer close(forever)
	begin, ended := time.Now(), make(chan struct{})
	all(ctx, func() { <-forever }, func() { close(ended) })
	if <-ended; time.Since(begin) > 5*time.Second {
		t.Errorf("after %v", time.Since(begin))
	}
}

func TestADaemonThatHangsInTheKernelIsGivenUp(t *testing.T) {
	hurry(t)
	var sent []unix.Signal
	if terminate(func(signal unix.Signal) error { sent = append(sent, signal); return nil }, make(chan struct{})) {
		t.Error("it did not end")
	}
	if len(sent) != 2 || sent[0] != unix.SIGTERM || sent[1] != unix.SIGKILL {
		t.Errorf("got %v", sent)
	}
}
