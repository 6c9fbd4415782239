package logs

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// docker writes as json-file does, and rotates as it does.
type docker struct {
	t    *testing.T
	path string
	made int
}

func (d *docker) log(texts ...string) {
	d.t.Helper()
	for _, text := range texts {
		d.made++
		encoded, err := json.Marshal(line{text, "stdout", fmt.Sprintf("2026-01-01T00:00:00.%09dZ", d.made)})
		if err != nil {
			d.t.Fatal(err)
		}
		d.raw(string(encoded) + "\n")
	}
}

func (d *docker) raw(text string) {
	d.t.Helper()
	file, err := os.OpenFile(d.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err == nil {
		_, err = file.WriteString(text)
	}
	if err != nil {
		d.t.Fatal(err)
	}
	_ = file.Close()
}

// rotate keeps three files.
func (d *docker) rotate() {
	_ = os.Rename(d.path+".1", d.path+".2")
	if err := os.Rename(d.path, d.path+".1"); err != nil {
		d.t.Fatal(err)
	}
}

type world struct {
	*docker
	cri, mark string
}

func newWorld(t *testing.T) world {
	dir := t.TempDir()
	return world{&docker{t: t, path: filepath.Join(dir, "id-json.log")}, filepath.Join(dir, "pod", "0.log"), filepath.Join(dir, "mark")}
}

func (w world) follow() *follower {
	w.t.Helper()
	made, err := newFollower(w.path, w.cri, w.mark)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(made.close)
	return made
}

func (w world) pump(f *follower) {
	w.t.Helper()
	if err := f.pump(); err != nil {
		w.t.Fatal(err)
	}
}

// texts gives what the lines of CRI's files say, the renamed ones first.
func (w world) texts() string {
	w.t.Helper()
	older, _ := filepath.Glob(w.cri + ".*")
	var found []string
	for _, path := range append(older, w.cri) {
		text, err := os.ReadFile(path)
		if err != nil {
			w.t.Fatal(err)
		}
		for row := range strings.Lines(string(text)) {
			found = append(found, strings.SplitN(strings.TrimSuffix(row, "\n"), " ", 4)[3])
		}
	}
	return strings.Join(found, ",")
}

func (w world) want(texts string) {
	w.t.Helper()
	if got := w.texts(); got != texts {
		w.t.Errorf("got %s, want %s", got, texts)
	}
}

func TestLinesHaveCRIsForm(t *testing.T) {
	w := newWorld(t)
	f := w.follow()
	w.raw(`{"log":"one\n","stream":"stdout","time":"2026-01-02T03:04:05.6Z"}` + "\n")
	w.raw(`{"log":"no end","stream":"stderr","time":"2026-01-02T03:04:06Z"}` + "\n")
	w.raw(`{"log":"\n","stream":"stdout","time":"2026-01-02T03:04:07Z"}` + "\n")
	w.raw("\x00\x00 what a power cut leaves\n")
	w.pump(f)
	want := "2026-01-02T03:04:05.6Z stdout F one\n2026-01-02T03:04:06Z stderr P no end\n2026-01-02T03:04:07Z stdout F \n"
	if got, err := os.ReadFile(w.cri); err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestALineThatIsNotWholeYetWaits(t *testing.T) {
	w := newWorld(t)
	f := w.follow()
	w.log("one\n")
	w.raw(`{"log":"two\n","stream":"stdout",`)
	w.pump(f)
	w.want("one")
	w.raw(`"time":"2026-01-02T03:04:05Z"}` + "\n")
	w.pump(f)
	w.want("one,two")
}

func TestALineLongerThanTheBuffer(t *testing.T) {
	w := newWorld(t)
	long := strings.Repeat("x", 3*chunkSize)
	w.log(long+"\n", "end\n")
	w.pump(w.follow())
	w.want(long + ",end")
}

func TestAnotherServerGoesOn(t *testing.T) {
	w := newWorld(t)
	w.log("one\n", "two\n")
	first := w.follow()
	w.pump(first)
	first.close()
	w.log("three\n")
	w.pump(w.follow())
	w.want("one,two,three")
}

// killed is a world whose server noted "one", wrote what is given besides, and was killed before it noted that.
func killed(t *testing.T, written string) world {
	w := newWorld(t)
	w.log("one\n")
	first := w.follow()
	w.pump(first)
	first.close()
	w.log("two\n")
	file, _ := os.OpenFile(w.cri, os.O_APPEND|os.O_WRONLY, 0)
	fmt.Fprint(file, written)
	_ = file.Close()
	return w
}

func TestWhatAKilledServerDidNotNoteIsWrittenOnce(t *testing.T) {
	w := killed(t, "2026-01-01T00:00:00.000000002Z stdout F two\n2026-01-01")
	w.pump(w.follow())
	w.want("one,two")
}

func TestTheSameWhenTheKubeletHasRenamedTheFile(t *testing.T) {
	w := killed(t, "2026-01-01T00:00:00.000000002Z stdout F two\n")
	if err := os.Rename(w.cri, w.cri+".20260101-000000"); err != nil {
		t.Fatal(err)
	}
	w.pump(w.follow())
	w.want("one,two")
}

func TestRotationByDocker(t *testing.T) {
	w := newWorld(t)
	f := w.follow()
	w.log("one\n")
	w.pump(f)
	w.log("two\n")
	w.rotate()
	w.log("three\n")
	w.rotate()
	w.log("four\n")
	w.pump(f)
	w.want("one,two,three,four")
	w.rotate()
	w.pump(f) // there is no new file yet
	w.log("five\n")
	w.pump(f)
	w.want("one,two,three,four,five")
}

func TestRotationByDockerWhileNoServerRuns(t *testing.T) {
	w := newWorld(t)
	w.log("one\n", "two\n")
	first := w.follow()
	w.pump(first)
	first.close()
	w.log("three\n")
	w.rotate()
	w.log("four\n")
	w.pump(w.follow())
	w.want("one,two,three,four")
}

func TestRotationByTheKubelet(t *testing.T) {
	w := newWorld(t)
	f := w.follow()
	w.log("one\n")
	w.pump(f)
	if err := os.Rename(w.cri, w.cri+".20260101-000000"); err != nil {
		t.Fatal(err)
	}
	if err := f.reopen(); err != nil {
		t.Fatal(err)
	}
	w.log("two\n")
	w.pump(f)
	w.want("one,two")
	if text, _ := os.ReadFile(w.cri); !strings.Contains(string(text), "two") {
		t.Errorf("the new file has %q", text)
	}
}

func TestAFullDiskLosesNothing(t *testing.T) {
	w := newWorld(t)
	f := w.follow()
	w.log("one\n")
	w.pump(f)
	w.log("two\n")
	whole := f.target
	f.target, _ = os.Open("/dev/full") // which can't be written to
	if f.pump() == nil {
		t.Error("no error")
	}
	f.target = whole
	w.pump(f)
	w.want("one,two")
}

func TestTheManagerFollowsByItself(t *testing.T) {
	w := newWorld(t)
	manager, err := NewManager(filepath.Join(t.TempDir(), "marks"))
	if err != nil {
		t.Fatal(err)
	}
	w.log("one\n")
	if err := manager.Follow("id", w.path, w.cri); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() bool { return w.texts() == "one" })
	w.log("two\n")
	eventually(t, func() bool { return w.texts() == "one,two" })
	w.log("three\n")
	manager.Flush("id")
	w.want("one,two,three")
	w.log("four\n")
	manager.Stop("id")
	w.want("one,two,three,four")
	if found, err := manager.Reopen("id"); found || err != nil {
		t.Errorf("reopened what is not followed: %v", err)
	}
	manager.Forget("id")
	if _, err := os.Stat(filepath.Join(manager.dir, "id")); !os.IsNotExist(err) {
		t.Errorf("the mark is still there: %v", err)
	}
}

func eventually(t *testing.T, holds func() bool) {
	t.Helper()
	for begin := time.Now(); time.Since(begin) < time.Minute; time.Sleep(5 * time.Millisecond) {
		if holds() {
			return
		}
	}
	t.Fatal("not within a minute")
}
