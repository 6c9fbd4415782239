package oneshot

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/init/internal/bundle"
	"kubeiso.dev/pkg/init/internal/logfile"
	"kubeiso.dev/pkg/init/internal/paper"
	"kubeiso.dev/pkg/initrd/console"
)

// newRunner gives a runner whose console is a buffer. It has no reaper: these steps fail before a program is started.
func newRunner(t *testing.T) (*Runner, *bytes.Buffer) {
	shown := &bytes.Buffer{}
	return &Runner{
		Console: console.New(shown), Preparer: bundle.NewPreparer(), LogDir: t.TempDir(), StateDir: t.TempDir(),
	}, shown
}

func writeStep(t *testing.T, dir, name, config string) {
	t.Helper()
	path := filepath.Join(dir, name, "config.json")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestFailingStepStopsTheRest(t *testing.T) {
	runner, shown := newRunner(t)
	dir := t.TempDir()
	writeStep(t, dir, "000-broken", "{")
	writeStep(t, dir, "001-next", "{")
	err := runner.RunAll(context.Background(), "onboot", dir)
	if err == nil || !strings.Contains(err.Error(), "onboot step 000-broken") {
		t.Errorf("got %v", err)
	}
	lines := strings.Split(strings.TrimSpace(shown.String()), "\n")
	if len(lines) != 2 || !strings.Contains(lines[0], `"state":"start"`) || !strings.Contains(lines[1], `"state":"failed"`) {
		t.Errorf("console: %q", lines)
	}
}

func TestNoSteps(t *testing.T) {
	runner, shown := newRunner(t)
	if err := runner.RunAll(context.Background(), "onboot", filepath.Join(t.TempDir(), "none")); err != nil || shown.Len() != 0 {
		t.Errorf("got %v, %q", err, shown)
	}
}

func TestTailIsBounded(t *testing.T) {
	out, err := openOutput(filepath.Join(t.TempDir(), "onboot"), "onboot.x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.stdout.writer.WriteString(strings.Repeat("a", maxShown) + "end of stdout\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := out.stderr.writer.WriteString("an error\n"); err != nil {
		t.Fatal(err)
	}
	out.settle()
	tail := out.tail()
	if len(tail) > maxShown+100 || !strings.HasSuffix(tail, "end of stdout\nan error") {
		t.Errorf("%d bytes, ends with %q", len(tail), tail[len(tail)-30:])
	}
}

func TestTheNoteIsTheLastLineOfTheStandardOutput(t *testing.T) {
	for said, want := range map[string]string{
		"":                                  "",
		"\n \n":                             "",
		"state: /dev/vdb keeps /var\n":      "state: /dev/vdb keeps /var",
		"first\nlast":                       "last",
		"first\n  last \r\n\n":              "last",
		strings.Repeat("é", maxNote) + "\n": strings.Repeat("é", maxNote/2) + "...",
		"x" + strings.Repeat("é", maxNote):  "x" + strings.Repeat("é", maxNote/2-1) + "...",
	} {
		out, err := openOutput(t.TempDir(), "onboot.x")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := out.stdout.writer.WriteString(said); err != nil {
			t.Fatal(err)
		}
		if _, err := out.stderr.writer.WriteString("a warning\n"); err != nil {
			t.Fatal(err)
		}
		out.settle()
		if got := out.note(); got != want {
			t.Errorf("of %q: got %q, want %q", said, got, want)
		}
	}
}

func TestAStepThatTakesTooLongIsEndedAndToldSo(t *testing.T) {
	code, err := watched(context.Background(), 50*time.Millisecond, func(ctx context.Context) (int, error) {
		<-ctx.Done() // as await does, which kills then
		return 137, errors.New("it ended with code 137")
	})
	if code != 137 || err == nil || err.Error() != "it had not ended after 50ms: it ended with code 137" {
		t.Errorf("%d, %v", code, err)
	}
	if code, err := watched(context.Background(), 0, func(context.Context) (int, error) { return 0, nil }); code != 0 || err != nil {
		t.Errorf("without a limit: %d, %v", code, err)
	}
}

func TestAStepThatHangsInTheKernelIsLeftBehind(t *testing.T) {
	before := endPeriod
	endPeriod = 50 * time.Millisecond
	defer func() { endPeriod = before }()
	begin := time.Now()
	code, err := watched(context.Background(), 50*time.Millisecond, func(context.Context) (int, error) { select {} })
	if code != -1 || err == nil || !strings.Contains(err.Error(), "can't be killed") || time.Since(begin) > 5*time.Second {
		t.Errorf("after %v: %d, %v", time.Since(begin), code, err)
	}
}

func TestAStepThatTakesLongSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		shown := &paper.Paper{}
		stop := alive{console.New(shown), "onboot", "003-fsck"}.tell(20 * time.Millisecond)
		time.Sleep(110 * time.Millisecond)
		stop()
		time.Sleep(50 * time.Millisecond)
		if told := strings.Count(shown.String(), `"stage":"onboot","name":"003-fsck","state":"running","seconds":0.`); told != 5 {
			t.Errorf("%d lines: %s", told, shown.String())
		}
	})
}

func TestWhatAStepWritesIsBounded(t *testing.T) {
	dir := t.TempDir()
	out, err := openOutput(dir, "onboot.x")
	if err != nil {
		t.Fatal(err)
	}
	line := strings.Repeat("x", 1<<20-1) + "\n"
	for range 20 {
		if _, err := out.stdout.writer.WriteString(line); err != nil {
			t.Fatal(err)
		}
	}
	out.settle()
	var size int64
	files, _ := filepath.Glob(filepath.Join(dir, "onboot.x.out.log*"))
	for _, file := range files {
		if info, err := os.Stat(file); err == nil {
			size += info.Size()
		}
	}
	if size == 0 || size > 2*logfile.MaxSize {
		t.Errorf("%d bytes in %v", size, files)
	}
}

func TestWhatAStepLeftRunningHoldsNothing(t *testing.T) {
	out, err := openOutput(t.TempDir(), "onboot.x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.stdout.writer.WriteString("done\n"); err != nil {
		t.Fatal(err)
	}
	held, err := unix.Dup(int(out.stdout.writer.Fd()))
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(held)
	begin := time.Now()
	if out.settle(); time.Since(begin) > 4*settlePeriod || out.note() != "done" {
		t.Errorf("after %v: %q", time.Since(begin), out.note())
	}
}

func TestAStepWithoutWhichTheNodeIsDegradedDoesNotStopTheBoot(t *testing.T) {
	runner, shown := newRunner(t)
	var told []string
	full := error(nil)
	runner.Degrade = func(step string, why error) error { told = append(told, step+": "+why.Error()); return full }
	annotated := &bundle.Bundle{Name: "003-metadata"}
	annotated.Spec.Annotations = map[string]string{bundle.DegradeAnnotation: "true"}
	stage := runner.Console.Begin("onboot", annotated.Name)
	if err := runner.fail(stage, annotated, errors.New("no"), console.Fields{"code": 2}); err != nil {
		t.Errorf("got %v", err)
	}
	if !slices.Equal(told, []string{"003-metadata: no"}) || !strings.Contains(shown.String(), `"error":"no","code":2,"degraded":true`) {
		t.Errorf("told %q, console %q", told, shown)
	}
	full = errors.New("no space")
	if err := runner.fail(stage, annotated, errors.New("no"), console.Fields{}); !errors.Is(err, full) {
		t.Errorf("the boot goes on though its services can't know: %v", err)
	}
	annotated.Spec.Annotations, told = nil, nil
	if err := runner.fail(stage, annotated, errors.New("no"), console.Fields{}); err == nil || told != nil {
		t.Errorf("got %v, told %q", err, told)
	}
}

func TestTheErrorOfAStepIsWhatItSaidLast(t *testing.T) {
	out, err := openOutput(t.TempDir(), "onboot.x")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := out.stderr.writer.WriteString("a warning\nmetadata: the reason\n\n"); err != nil {
		t.Fatal(err)
	}
	out.settle()
	if got := out.stderr.lastLine(); got != "metadata: the reason" {
		t.Errorf("got %q", got)
	}
}
