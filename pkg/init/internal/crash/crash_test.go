package crash

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

var noon = time.Date(2026, 11, 27, 12, 0, 0, 0, time.UTC)

const panicked = "Panic#1 Part1\n<4>[   50.1] Call Trace:\n<6>[   50.0] sysrq: Trigger a crash\n" +
	"<0>[   50.0] Kernel panic - not syncing: sysrq triggered crash\n"

// onDisk gives a folder that is on no tmpfs, or ends the test where there is none.
func onDisk(t *testing.T) string {
	t.Helper()
	for _, place := range []string{t.TempDir(), "."} {
		if !inMemory(place) {
			made, err := os.MkdirTemp(place, "crash-test")
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = os.RemoveAll(made) })
			return made
		}
	}
	t.Fatal("there is no disk here")
	return ""
}

func left(t *testing.T, records map[string]string) string {
	t.Helper()
	from := t.TempDir()
	for name, text := range records {
		if err := os.WriteFile(filepath.Join(from, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return from
}

func TestWhatAKernelLeftIsMovedToTheDisk(t *testing.T) {
	from := left(t, map[string]string{"dmesg-erst-1": panicked, "dmesg-erst-2": "<1>[ 49.9] BUG: unable to handle page fault\n"})
	to := filepath.Join(onDisk(t), "crash")
	found, err := Collect(from, to, noon)
	if err != nil {
		t.Fatal(err)
	}
	if found.Cause != "Kernel panic - not syncing: sysrq triggered crash" || found.Files != 2 {
		t.Fatalf("found %+v", found)
	}
	if found.Folder != filepath.Join(to, "2026-11-27T12-00-00Z") {
		t.Fatalf("it lies in %s", found.Folder)
	}
	if text, err := os.ReadFile(filepath.Join(found.Folder, "dmesg-erst-1")); err != nil || string(text) != panicked {
		t.Fatalf("%q, %v", text, err)
	}
	if rest, _ := os.ReadDir(from); len(rest) != 0 {
		t.Fatalf("%v are there still, and would be told of at every boot", rest)
	}
	if again, err := Collect(from, to, noon); again != nil || err != nil {
		t.Fatalf("a boot after nothing happened tells of %+v, %v", again, err)
	}
}

func TestWhatItDiedOf(t *testing.T) {
	for text, want := range map[string]string{
		"<1>[1] BUG: kernel NULL pointer dereference, address: 0\n<0>[2] Kernel panic - not syncing: Fatal exception\n": "Kernel panic - not syncing: Fatal exception",
		"<1>[1] Oops: 0002 [#1] PREEMPT SMP\n": "Oops: 0002 [#1] PREEMPT SMP",
		"\xff\x00 torn":                        "the kernel left its last messages",
		"":                                     "the kernel left its last messages",
	} {
		if got := causeOf(map[string][]byte{"dmesg-erst-1": []byte(text)}); got != want {
			t.Errorf("of %q it says %q", text, got)
		}
	}
}

func TestNoRecordsAreNoCrash(t *testing.T) {
	for _, from := range []string{t.TempDir(), filepath.Join(t.TempDir(), "not mounted")} {
		if found, err := Collect(from, t.TempDir(), noon); found != nil || err != nil {
			t.Errorf("%+v, %v", found, err)
		}
	}
}

func TestInMemoryNothingIsMoved(t *testing.T) {
	memory, err := os.MkdirTemp("/dev/shm", "crash-test")
	if err != nil || !inMemory(memory) {
		t.Fatalf("there is no tmpfs here: %v", err)
	}
	defer os.RemoveAll(memory)
	from := left(t, map[string]string{"dmesg-erst-1": panicked})
	found, err := Collect(from, filepath.Join(memory, "crash"), noon)
	if err != nil || found == nil || found.Folder != from {
		t.Fatalf("%+v, %v", found, err)
	}
	if _, err := os.Stat(filepath.Join(from, "dmesg-erst-1")); err != nil {
		t.Fatal("the only copy is gone: ", err)
	}
}

func TestWhatCanNotBeWrittenStaysWhereItIs(t *testing.T) {
	from := left(t, map[string]string{"dmesg-erst-1": panicked})
	to := filepath.Join(onDisk(t), "crash")
	if err := os.WriteFile(to, nil, 0o600); err != nil { // a file where the folder should be
		t.Fatal(err)
	}
	found, err := Collect(from, to, noon)
	if err == nil || found == nil || found.Folder != from || !strings.Contains(found.Cause, "panic") {
		t.Fatalf("%+v, %v", found, err)
	}
	if _, err := os.Stat(filepath.Join(from, "dmesg-erst-1")); err != nil {
		t.Fatal("the only copy is gone: ", err)
	}
}

func TestOldOnesAreForgotten(t *testing.T) {
	to := filepath.Join(onDisk(t), "crash")
	for number := range Kept + 3 {
		from := left(t, map[string]string{"dmesg-erst-1": panicked})
		if _, err := Collect(from, to, noon.Add(time.Duration(number)*time.Hour)); err != nil {
			t.Fatal(err)
		}
	}
	entries, _ := os.ReadDir(to)
	if len(entries) != Kept || entries[0].Name() != "2026-11-27T15-00-00Z" {
		t.Fatalf("left are %v", entries)
	}
}

func TestTwoAtTheSameTimeAreBothKept(t *testing.T) {
	to := filepath.Join(onDisk(t), "crash")
	for range 2 {
		if _, err := Collect(left(t, map[string]string{"dmesg-erst-1": panicked}), to, noon); err != nil {
			t.Fatal(err)
		}
	}
	if entries, _ := os.ReadDir(to); len(entries) != 2 {
		t.Fatalf("there are %v", entries)
	}
}

// records gives one answer for each read, as the kernel's device does.
type records struct{ answers []any }

func (r *records) Read(into []byte) (int, error) {
	if len(r.answers) == 0 {
		return 0, io.EOF
	}
	next := r.answers[0]
	r.answers = r.answers[1:]
	if err, is := next.(error); is {
		return 0, err
	}
	return copy(into, fmt.Sprint(next)), nil
}

func TestMessagesAreKeptAsDmesgShowsThem(t *testing.T) {
	from := &records{[]any{
		"6,1,1234567,-;Linux version 6.12\n", os.NewSyscallError("read", unix.EPIPE), "4,9,61000001,c;usb 1-1: reset\n SUBSYSTEM=usb\n",
		errors.New("broken"), "no record",
	}}
	var log bytes.Buffer
	slept := 0
	copyMessages(from, &log, func(time.Duration) { slept++ })
	want := "[    1.234567] Linux version 6.12\n[ messages were lost ]\n[   61.000001] usb 1-1: reset\nno record\n"
	if log.String() != want || slept != 1 {
		t.Fatalf("the log has %q; it slept %d times", log.String(), slept)
	}
}
