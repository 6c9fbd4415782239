package roster

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"kubeiso.dev/pkg/cri-docker/internal/engine/enginetest"
)

const label = "ours"

var background = context.Background()

// world is a roster of an engine whose events it hears.
type world struct {
	*Roster
	t      *testing.T
	engine *enginetest.Engine
}

func newWorld(t *testing.T) *world {
	t.Helper()
	engine := enginetest.New("web:1")
	made := &world{New(engine, label), t, engine}
	ctx, stop := context.WithCancel(background)
	ended := make(chan struct{})
	go func() { made.Listen(ctx); close(ended) }()
	t.Cleanup(func() { stop(); <-ended })
	made.until("it listens", made.hears)
	return made
}

func (w *world) hears() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.listening
}

func (w *world) until(what string, done func() bool) {
	w.t.Helper()
	for range 1000 {
		if done() {
			return
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.t.Fatalf("not in time: %s", what)
}

// create makes a container behind the roster's back.
func (w *world) create(name string) string {
	w.t.Helper()
	made, err := w.engine.ContainerCreate(background, creation(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return made.ID
}

// ownCreate makes a container as the server does.
func (w *world) ownCreate(options client.ContainerCreateOptions) string {
	w.t.Helper()
	made, err := w.Engine().ContainerCreate(background, options)
	if err != nil {
		w.t.Fatal(err)
	}
	return made.ID
}

func creation(name string) client.ContainerCreateOptions {
	return client.ContainerCreateOptions{
		Name: name, Config: &container.Config{Image: "web:1", Labels: map[string]string{label: "web"}}, HostConfig: &container.HostConfig{},
	}
}

func (w *world) states() map[string]container.ContainerState {
	w.t.Helper()
	found, err := w.States(background)
	if err != nil {
		w.t.Fatal(err)
	}
	plain := map[string]container.ContainerState{}
	for id, each := range found {
		plain[id] = each.State
	}
	return plain
}

// calls counts an engine's calls by name.
func (w *world) calls(name string) int {
	return strings.Count(strings.Join(w.engine.Calls, "\n")+"\n", name+" ")
}

func TestDockerIsNotAskedWhileNothingChanges(t *testing.T) {
	w := newWorld(t)
	id := w.create("a")
	for range 5 {
		if got := w.states(); !reflect.DeepEqual(got, map[string]container.ContainerState{id: "created"}) {
			t.Fatal(got)
		}
	}
	if w.calls("list") != 1 || w.calls("inspect") != 0 {
		t.Errorf("asked: %v", w.engine.Calls)
	}
}

func TestAnEventIsAReasonToLook(t *testing.T) {
	w := newWorld(t)
	w.states()
	id := w.create("a")
	w.engine.Emit(events.ActionCreate, id)
	w.until("it is there", func() bool { return w.states()[id] == "created" })
	w.engine.End(id, 0)
	w.engine.Emit(events.ActionDie, id)
	w.until("it has ended", func() bool { return w.states()[id] == "exited" })
	if _, err := w.engine.ContainerRemove(background, id, client.ContainerRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	w.engine.Emit(events.ActionDestroy, id)
	w.until("it is gone", func() bool { return len(w.states()) == 0 })
	if w.calls("list") != 1 {
		t.Errorf("all was asked for again: %v", w.engine.Calls)
	}
}

func TestWhatTheServerDoesIsKnownBeforeItsEvent(t *testing.T) {
	w := newWorld(t)
	w.states()
	id := w.ownCreate(creation("a"))
	steps := []struct {
		do   func() error
		want container.ContainerState
	}{
		{func() error { return nil }, "created"},
		{func() error {
			_, err := w.Engine().ContainerStart(background, id, client.ContainerStartOptions{})
			return err
		}, "running"},
		{func() error {
			_, err := w.Engine().ContainerStop(background, id, client.ContainerStopOptions{})
			return err
		}, "exited"},
		{func() error {
			_, err := w.Engine().ContainerRemove(background, id, client.ContainerRemoveOptions{})
			return err
		}, ""},
	}
	for _, step := range steps {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got := w.states()[id]; got != step.want {
			t.Errorf("got %q, want %q", got, step.want)
		}
	}
}

func TestAnEngineThatEndedIsAskedForAll(t *testing.T) {
	w := newWorld(t)
	w.states()
	w.engine.Interrupt(errors.New("unexpected EOF"))
	w.until("it does not listen", func() bool { return !w.hears() })
	id := w.create("while nobody listened")
	if got := w.states(); len(got) != 1 {
		t.Error(got)
	}
	w.until("it listens again", w.hears)
	w.engine.End(id, 1)
	w.engine.Emit(events.ActionDie, id)
	w.until("it hears again", func() bool { return w.states()[id] == "exited" })
}

func TestEventsThatWereLostAreMadeUpFor(t *testing.T) {
	w := newWorld(t)
	w.states()
	id := w.create("nobody told")
	if len(w.states()) != 0 {
		t.Fatal("the list was asked for again")
	}
	w.asking.Lock()
	w.listed = w.listed.Add(-2 * listPeriod)
	w.asking.Unlock()
	if got := w.states(); got[id] != "created" {
		t.Error(got)
	}
}

func TestALookThatFailsIsNotForgotten(t *testing.T) {
	w := newWorld(t)
	w.states()
	id := w.create("a")
	w.Changed(id)
	w.engine.Fail["inspect"] = errors.New("timed out")
	if found, err := w.States(background); err == nil {
		t.Errorf("no error, but %v", found)
	}
	if got := w.states(); got[id] != "created" {
		t.Error(got)
	}
	w.asking.Lock()
	w.listed = time.Time{}
	w.asking.Unlock()
	w.engine.Fail["list"] = errors.New("timed out")
	if found, err := w.States(background); err == nil {
		t.Errorf("no error, but %v", found)
	}
	if got := w.states(); got[id] != "created" {
		t.Error(got)
	}
}

func TestStrangersAreNotTaken(t *testing.T) {
	w := newWorld(t)
	w.states()
	options := creation("a stranger")
	options.Config.Labels = nil
	id := w.ownCreate(options)
	if got := w.states(); len(got) != 0 {
		t.Errorf("%s is taken: %v", id, got)
	}
}

func TestAFirstProcessIsAskedForOnce(t *testing.T) {
	w := newWorld(t)
	w.states()
	id := w.ownCreate(creation("a"))
	pid := func() int {
		found, err := w.Pid(background, id)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := pid(); found != 0 {
		t.Errorf("%d before it runs", found)
	}
	if _, err := w.Engine().ContainerStart(background, id, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	first, before := pid(), w.calls("inspect")
	if first == 0 || pid() != first || pid() != first || w.calls("inspect") != before {
		t.Errorf("asked again: %d, %v", first, w.engine.Calls)
	}
	w.engine.End(id, 0)
	w.Changed(id)
	if found := pid(); found != 0 {
		t.Errorf("%d after its end", found)
	}
}

func TestTheFirstProcessOfOneThatWasListed(t *testing.T) {
	w := newWorld(t)
	id := w.create("a")
	if _, err := w.engine.ContainerStart(background, id, client.ContainerStartOptions{}); err != nil {
		t.Fatal(err)
	}
	if found, err := w.Pid(background, id); err != nil || found == 0 {
		t.Errorf("%d, %v", found, err)
	}
	if found, err := w.Pid(background, "nobody"); err != nil || found != 0 {
		t.Errorf("of one that is not there: %d, %v", found, err)
	}
}
