package process

import (
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const slack = 7 * time.Millisecond

// reaper is one for the whole test program, as in a real one.
var reaper = sync.OnceValue(func() *Reaper {
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	return NewReaper(slack)
})

func start(t *testing.T, script string) *Child {
	t.Helper()
	child, err := reaper().Start([]string{"/bin/sh", "-c", script}, os.Stdout, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	return child
}

// wait gives a child's exit code, but not later than in a minute.
func wait(t *testing.T, child *Child) int {
	t.Helper()
	select {
	case <-child.Done():
	case <-time.After(time.Minute):
		t.Errorf("the exit of process %d was lost", child.Pid)
		return -1
	}
	return child.Wait()
}

func TestExitCodes(t *testing.T) {
	for script, want := range map[string]int{"true": 0, "exit 7": 7, "kill -TERM $$": 143, "kill -KILL $$": 137} {
		if got := wait(t, start(t, script)); got != want {
			t.Errorf("%s: code %d, want %d", script, got, want)
		}
	}
}

// A child of the child stands for containerd's shims and their pods.
func TestChildrenInheritTheTimerSlack(t *testing.T) {
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	child, err := reaper().Start([]string{"/bin/sh", "-c", "(cat /proc/self/timerslack_ns); true"}, writer, os.Stderr)
	if err != nil {
		t.Fatal(err)
	}
	_ = writer.Close()
	told, err := io.ReadAll(reader)
	if got := strings.TrimSpace(string(told)); err != nil || got != strconv.FormatInt(slack.Nanoseconds(), 10) {
		t.Errorf("%q, %v", got, err)
	}
	wait(t, child)
}

func TestManyAtOnce(t *testing.T) {
	var group sync.WaitGroup
	for number := range 40 {
		group.Go(func() {
			want := number % 5
			if got := start(t, "exit "+strconv.Itoa(want)).Wait(); got != want {
				t.Errorf("code %d, want %d", got, want)
			}
		})
	}
	group.Wait()
}

// TestAdopt lets a child leave an orphan behind, as "runc create" does. The orphan waits for its parent's end, as a shell may
// reap a child that ends before it.
func TestAdopt(t *testing.T) {
	for name, pause := range map[string]time.Duration{"may still run": 0, "has ended": 500 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			path := t.TempDir() + "/pid"
			orphan := "while kill -0 $$ 2>/dev/null; do sleep 0.02; done; exit 6"
			wait(t, start(t, "("+orphan+") & echo $! > "+path))
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(pause)
			if got := wait(t, reaper().Adopt(pid)); got != 6 {
				t.Errorf("code %d", got)
			}
		})
	}
}

func TestKill(t *testing.T) {
	child := start(t, "exec sleep 60")
	if err := child.Kill(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := wait(t, child); code != 143 {
		t.Errorf("code %d", code)
	}
	if err := child.Kill(unix.SIGTERM); err != os.ErrProcessDone {
		t.Errorf("signal to an ended process: %v", err)
	}
}

func TestRun(t *testing.T) {
	if err := reaper().Run([]string{"/bin/sh", "-c", "exit 3"}, os.Stdout, os.Stderr); err == nil || !strings.Contains(err.Error(), "code 3") {
		t.Errorf("got %v", err)
	}
	if err := reaper().Run([]string{"/no/such/program"}, os.Stdout, os.Stderr); err == nil {
		t.Error("a missing program runs")
	}
}

func TestUnknownExitsAreBounded(t *testing.T) {
	own := &Reaper{children: map[int]*Child{}}
	for pid := range 1000 {
		own.remember(exit{pid: pid})
	}
	if len(own.unknown) != keptExits || own.unknown[keptExits-1].pid != 999 {
		t.Errorf("%d exits kept", len(own.unknown))
	}
}

func TestMoreOfTheEnvironment(t *testing.T) {
	child, err := reaper().Start([]string{"/bin/sh", "-c", `[ "$MORE" = "a b" ] && [ -n "$PATH" ]`}, os.Stdout, os.Stderr, "MORE=a b")
	if err != nil {
		t.Fatal(err)
	}
	if code := wait(t, child); code != 0 {
		t.Errorf("the program sees something else: %d", code)
	}
}
