// Package roster knows how each container of the server is without asking Docker for all of them each time: a list costs Docker
// several calls of containerd for each container, and the kubelet wants one every second.
package roster

import (
	"context"
	"log"
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"kubeiso.dev/pkg/cri-docker/internal/engine"
)

const (
	// listPeriod is how long a list counts: Docker may drop events of a listener that is slow.
	listPeriod = 2 * time.Minute
	// listenRetry is how soon Docker's events are asked for again.
	listenRetry = time.Second
)

// changing are the events after which a container is another way than before.
var changing = map[events.Action]bool{
	events.ActionCreate: true, events.ActionStart: true, events.ActionRestart: true, events.ActionDie: true,
	events.ActionDestroy: true, events.ActionPause: true, events.ActionUnPause: true,
}

// State is how a container is, with the value of the label that makes it one of ours.
type State struct {
	State container.ContainerState
	Kind  string
}

// Runs is whether it has processes.
func (s State) Runs() bool {
	switch s.State {
	case container.StateRunning, container.StatePaused, container.StateRestarting:
		return true
	}
	return false
}

// Roster is the list of all containers with a label.
type Roster struct {
	engine engine.Engine
	label  string

	asking sync.Mutex // held while Docker is asked
	known  map[string]State
	pids   map[string]int // first processes of those that were looked at as they ran: a container of ours is started once
	listed time.Time      // when known was a list; zero for one that is not to be used

	mu        sync.Mutex
	listening bool
	changed   map[string]bool // ids that are to be looked at
}

// New gives a roster of the containers that have the label.
func New(engine engine.Engine, label string) *Roster {
	return &Roster{engine: engine, label: label, known: map[string]State{}, pids: map[string]int{}, changed: map[string]bool{}}
}

// Listen hears of what changes, until ctx ends. As long as it does not, States asks for everything each time.
func (r *Roster) Listen(ctx context.Context) {
	for ctx.Err() == nil {
		if err := r.hear(ctx); err != nil && ctx.Err() == nil {
			log.Printf("Docker's events: %v", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(listenRetry):
		}
	}
}

func (r *Roster) hear(ctx context.Context) error {
	// Since: Docker answers before it listens for a subscriber, and tells what was in between.
	stream := r.engine.Events(ctx, client.EventsListOptions{
		Since:   strconv.FormatFloat(float64(time.Now().UnixNano())/1e9, 'f', 9, 64),
		Filters: client.Filters{}.Add("type", string(events.ContainerEventType)).Add("label", r.label),
	})
	defer r.listen(false)
	r.listen(true)
	for {
		select {
		case event := <-stream.Messages:
			if changing[event.Action] {
				r.Changed(event.Actor.ID)
			}
		case err := <-stream.Err:
			return err
		}
	}
}

// listen begins or ends the time in which changes are heard of; what is known from before it does not count.
func (r *Roster) listen(on bool) {
	r.asking.Lock()
	defer r.asking.Unlock()
	r.listed = time.Time{}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.listening = on
}

// Changed says that a container is to be looked at before it is told of again.
func (r *Roster) Changed(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.changed[id] = true
}

// States gives how each container is, by id.
func (r *Roster) States(ctx context.Context) (map[string]State, error) {
	r.asking.Lock()
	defer r.asking.Unlock()
	ids, listening := r.take()
	if !listening || time.Since(r.listed) > listPeriod {
		return r.list(ctx, listening)
	}
	for id := range ids {
		if err := r.look(ctx, id); err != nil {
			r.listed = time.Time{} // what is known lacks the others
			return nil, err
		}
	}
	return maps.Clone(r.known), nil
}

// Pid gives a container's first process; 0 where it does not run.
func (r *Roster) Pid(ctx context.Context, id string) (int, error) {
	states, err := r.States(ctx)
	if err != nil || !states[id].Runs() {
		return 0, err
	}
	r.asking.Lock()
	defer r.asking.Unlock()
	if r.pids[id] == 0 {
		err = r.look(ctx, id)
	}
	return r.pids[id], err
}

// take gives the ids that are to be looked at: whatever changes from now on is looked at the next time.
func (r *Roster) take() (ids map[string]bool, listening bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids, r.changed = r.changed, map[string]bool{}
	return ids, r.listening
}

func (r *Roster) list(ctx context.Context, keep bool) (map[string]State, error) {
	begun := time.Now()
	list, err := r.engine.ContainerList(ctx, client.ContainerListOptions{All: true, Filters: client.Filters{}.Add("label", r.label)})
	if err != nil {
		r.listed = time.Time{}
		return nil, err
	}
	found := map[string]State{}
	for _, each := range list.Items {
		found[each.ID] = State{State: each.State, Kind: each.Labels[r.label]}
	}
	if keep {
		r.known, r.listed = found, begun
		maps.DeleteFunc(r.pids, func(id string, _ int) bool { return !found[id].Runs() })
	}
	return maps.Clone(found), nil
}

// look brings one container up to date.
func (r *Roster) look(ctx context.Context, id string) error {
	found, err := r.engine.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if errdefs.IsNotFound(err) {
		delete(r.known, id)
		delete(r.pids, id)
		return nil
	}
	if err != nil {
		return err
	}
	kind, ours := found.Container.Config.Labels[r.label]
	if !ours || found.Container.State == nil {
		return nil
	}
	now := State{State: found.Container.State.Status, Kind: kind}
	r.known[id] = now
	if delete(r.pids, id); now.Runs() {
		r.pids[id] = found.Container.State.Pid
	}
	return nil
}
