package console

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// newPty gives both ends of a terminal: the side of who looks at it, and the path of the other.
func newPty(t *testing.T) (*os.File, string) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Skipf("this machine has no terminals for us: %v", err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	seen := os.NewFile(uintptr(fd), "ptmx")
	t.Cleanup(func() { _ = seen.Close() })
	return seen, filepath.Join("/dev/pts", fmt.Sprint(number))
}

// on gives a console whose one output is that terminal.
func on(t *testing.T, path string) *Console {
	t.Helper()
	file, err := OpenTerminal(path)
	if err != nil {
		t.Fatal(err)
	}
	return &Console{outputs: map[string]sink{"pty": newQueue(file)}}
}

// returns says whether do comes back within the time.
func returns(limit time.Duration, do func()) bool {
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	select {
	case <-done:
		return true
	case <-time.After(limit):
		return false
	}
}

// readUntil reads what the terminal shows up to some words.
func readUntil(t *testing.T, seen *os.File, words string) string {
	t.Helper()
	var text strings.Builder
	ended := returns(10*time.Second, func() {
		part := make([]byte, 65536)
		for !strings.Contains(text.String(), words) {
			n, err := seen.Read(part)
			if err != nil {
				return
			}
			text.Write(part[:n])
		}
	})
	if !ended {
		t.Fatalf("%q is not shown", words)
	}
	return text.String()
}

func TestAByteThatStopsOtherTerminalsStopsNoReport(t *testing.T) {
	seen, path := newPty(t)
	out := on(t, path)
	if _, err := seen.Write([]byte{0x13}); err != nil { // Ctrl-S, or noise on an open line
		t.Fatal(err)
	}
	time.Sleep(50 * time.Millisecond)
	if !returns(time.Second, func() { out.Report(Line{Stage: "after", State: OK, Seconds: -1}) }) {
		t.Fatal("Report waits for the terminal")
	}
	readUntil(t, seen, `"stage":"after"`)
}

func TestATerminalThatTakesNothingHoldsNobodyUpAndIsToldWhatItMissed(t *testing.T) {
	seen, path := newPty(t)
	out := on(t, path)
	const lines = 8000
	written := returns(5*time.Second, func() {
		for number := range lines {
			out.Printf("line %d %s", number, strings.Repeat("x", 60))
		}
	})
	if !written {
		t.Fatal("Printf waits for a terminal that nobody reads")
	}
	begin := time.Now()
	if !returns(4*drainPeriod, out.Drain) {
		t.Fatal("Drain waits for ever")
	}
	if took := time.Since(begin); took < drainPeriod {
		t.Errorf("Drain gave up after %s", took)
	}
	text := readUntil(t, seen, fmt.Sprintf("line %d ", lines-1))
	var missing, bytes int
	for line := range strings.Lines(text) {
		if strings.Contains(line, "are missing here") {
			var some, size int
			if _, err := fmt.Sscanf(line, "%d lines (%d bytes)", &some, &size); err != nil {
				t.Fatal(err)
			}
			missing, bytes = missing+some, bytes+size
		}
	}
	if shown := strings.Count("\n"+text, "\nline ") + missing; missing == 0 || bytes < missing*60 || shown != lines {
		t.Errorf("%d of %d lines are accounted for, %d missing (%d bytes)", shown, lines, missing, bytes)
	}
}

func TestADeadTerminalHoldsNobodyUp(t *testing.T) {
	seen, path := newPty(t)
	out := on(t, path)
	if err := seen.Close(); err != nil {
		t.Fatal(err)
	}
	if !returns(time.Second, func() { out.Printf("to nobody"); out.Drain() }) {
		t.Error("it waits for a terminal that is gone")
	}
}

func TestEveryConsoleGetsEachLine(t *testing.T) {
	first, one := newPty(t)
	second, other := newPty(t)
	out := on(t, one)
	out.outputs["other"] = on(t, other).outputs["pty"]
	var watched []string
	out.Watch(func(line Line) { watched = append(watched, line.Stage) })
	out.Report(Line{Stage: "root", State: OK, Seconds: -1})
	out.Printf("The boot stopped")
	for _, each := range []*os.File{first, second} {
		if text := readUntil(t, each, "The boot stopped"); !strings.Contains(text, `"stage":"root"`) {
			t.Errorf("got %q", text)
		}
	}
	if len(watched) != 1 || watched[0] != "root" {
		t.Errorf("watched %q", watched)
	}
}
