package process

import (
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// reaper is one for the whole test program, as in a real one.
var reaper = sync.OnceValue(func() *Reaper {
	_ = unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
	return NewReaper()
})

func start(t *testing.T, script string, out *os.File) *Child {
	t.Helper()
	child, err := reaper().Start([]string{"/bin/sh", "-c", script}, &os.ProcAttr{Files: []*os.File{nil, out, nil}})
	if err != nil {
		t.Fatal(err)
	}
	return child
}

func TestExitCodes(t *testing.T) {
	for script, want := range map[string]int{"true": 0, "exit 7": 7, "kill -TERM $$": 143, "kill -KILL $$": 137} {
		if got := start(t, script, nil).Wait(); got != want {
			t.Errorf("%s: code %d, want %d", script, got, want)
		}
	}
}

func TestManyAtOnce(t *testing.T) {
	var group sync.WaitGroup
	for number := range 40 {
		group.Go(func() {
			want := number % 5
			if got := start(t, "exit "+strconv.Itoa(want), nil).Wait(); got != want {
				t.Errorf("code %d, want %d", got, want)
			}
		})
	}
	group.Wait()
}

// TestAdopt lets a child leave an orphan behind, as "runc create" does.
func TestAdopt(t *testing.T) {
	tests := []struct {
		name, orphan string
		pause        time.Duration
		want         int
	}{
		{"still runs", "sleep 0.3; exit 5", 0, 5},
		{"has ended", "exit 6", 300 * time.Millisecond, 6},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := t.TempDir() + "/pid"
			start(t, "("+test.orphan+") & echo $! > "+path, nil).Wait()
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(test.pause)
			if got := reaper().Adopt(pid).Wait(); got != test.want {
				t.Errorf("code %d, want %d", got, test.want)
			}
		})
	}
}

func TestKill(t *testing.T) {
	child := start(t, "exec sleep 60", nil)
	if err := child.Kill(unix.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if code := child.Wait(); code != 143 {
		t.Errorf("code %d", code)
	}
	if err := child.Kill(unix.SIGTERM); err != os.ErrProcessDone {
		t.Errorf("signal to an ended process: %v", err)
	}
}

func TestRun(t *testing.T) {
	if err := reaper().Run([]string{"/bin/sh", "-c", "exit 3"}, &os.ProcAttr{}); err == nil || !strings.Contains(err.Error(), "code 3") {
		t.Errorf("got %v", err)
	}
	if err := reaper().Run([]string{"/no/such/program"}, &os.ProcAttr{}); err == nil {
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
