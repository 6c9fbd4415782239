package oneshot

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kubeiso.dev/pkg/init/internal/bundle"
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
	defer out.Close()
	if _, err := out.stdout.WriteString(strings.Repeat("a", maxShown) + "end of stdout\n"); err != nil {
		t.Fatal(err)
	}
	if _, err := out.stderr.WriteString("an error\n"); err != nil {
		t.Fatal(err)
	}
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
		if _, err := out.stdout.WriteString(said); err != nil {
			t.Fatal(err)
		}
		if _, err := out.stderr.WriteString("a warning\n"); err != nil {
			t.Fatal(err)
		}
		if got := out.note(); got != want {
			t.Errorf("of %q: got %q, want %q", said, got, want)
		}
		out.Close()
	}
}
