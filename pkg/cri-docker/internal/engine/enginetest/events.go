package enginetest

import (
	"context"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"
)

// Events tells of what is emitted from now on, until ctx ends or Interrupt is called.
func (e *Engine) Events(ctx context.Context, _ client.EventsListOptions) client.EventsResult {
	failure := e.enter("events", "")
	defer e.mu.Unlock()
	messages, errs := make(chan events.Message, 100), make(chan error, 1)
	if failure != nil {
		errs <- failure
		return client.EventsResult{Messages: messages, Err: errs}
	}
	broken := make(chan error, 1)
	e.listeners = append(e.listeners, listener{messages, broken})
	go func() {
		select {
		case <-ctx.Done():
			errs <- ctx.Err()
		case err := <-broken:
			errs <- err
		}
	}()
	return client.EventsResult{Messages: messages, Err: errs}
}

type listener struct {
	messages chan events.Message
	broken   chan error
}

// Emit tells all listeners what happened to a container.
func (e *Engine) Emit(action events.Action, id string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, each := range e.listeners {
		each.messages <- events.Message{Type: events.ContainerEventType, Action: action, Actor: events.Actor{ID: id}}
	}
}

// Interrupt ends all streams of events, as the engine's end does.
func (e *Engine) Interrupt(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, each := range e.listeners {
		each.broken <- err
	}
	e.listeners = nil
}

// Listeners counts those who hear of events.
func (e *Engine) Listeners() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.listeners)
}
