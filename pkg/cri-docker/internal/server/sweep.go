package server

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"kubeiso.dev/pkg/cri-docker/internal/state"
)

const (
	sweepPeriod = time.Minute
	// sweepRetry is how soon Docker is asked again that did not answer at the start.
	sweepRetry = time.Second
)

// Recover finds what an earlier server left: logs are followed again, and what was not made to its end is removed. It returns
// once Docker has answered, or ctx has ended.
func (r *Runtime) Recover(ctx context.Context) error {
	for {
		err := r.resume(ctx)
		if err == nil {
			return errors.Join(r.Sweep(ctx))
		}
		log.Printf("waiting for Docker: %v", err)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(sweepRetry):
		}
	}
}

// resume follows the logs of all containers that were started; those that ended meanwhile may have lines that were not copied.
func (r *Runtime) resume(ctx context.Context) error {
	states, err := r.states(ctx)
	if err != nil {
		return err
	}
	for id, record := range r.Containers.All() {
		if _, found := states[id]; !found {
			continue
		}
		found, err := r.inspect(ctx, id)
		if err != nil || !started(found) {
			continue
		}
		if err := r.follow(id, record, found); err != nil {
			log.Printf("%v", err)
		}
	}
	return nil
}

// KeepClean recovers, then sweeps from time to time, until ctx ends. The kubelet is answered meanwhile.
func (r *Runtime) KeepClean(ctx context.Context) {
	if err := r.Recover(ctx); err != nil && ctx.Err() == nil {
		log.Printf("cleaning up: %v", err)
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-time.After(sweepPeriod):
		}
		if err := r.Sweep(ctx); err != nil {
			log.Printf("cleaning up: %v", err)
		}
	}
}

// Sweep removes what a server or an engine that was killed has left half made, and the records of what others removed. Nothing
// is swept while something is being made.
func (r *Runtime) Sweep(ctx context.Context) error {
	if !r.making.TryLock() {
		return nil
	}
	defer r.making.Unlock()
	states, err := r.states(ctx)
	if err != nil {
		return err
	}
	return errors.Join(r.sweepSandboxes(ctx, states), r.sweepContainers(ctx, states), r.sweepStrangers(ctx, states))
}

func (r *Runtime) sweepSandboxes(ctx context.Context, states map[string]containerState) error {
	var failures []error
	for id, record := range r.Sandboxes.All() {
		if _, found := states[id]; found && record.Made {
			continue
		}
		log.Printf("removing sandbox %s, which is not whole", sandboxName(record.Config.GetMetadata()))
		if err := r.forgetSandbox(ctx, id, record); err != nil {
			failures = append(failures, fmt.Errorf("sandbox %s: %w", id, err))
		}
	}
	return errors.Join(failures...)
}

func (r *Runtime) sweepContainers(ctx context.Context, states map[string]containerState) error {
	var failures []error
	for id, record := range r.Containers.All() {
		_, found := states[id]
		if _, _, err := r.Sandboxes.Get(record.Sandbox); found && err == nil {
			continue
		}
		log.Printf("removing container %s, which is gone or has no sandbox", id)
		if err := r.forgetContainer(ctx, id); err != nil {
			failures = append(failures, fmt.Errorf("container %s: %w", id, err))
		}
	}
	return errors.Join(failures...)
}

// sweepStrangers removes containers with our labels that have no record.
func (r *Runtime) sweepStrangers(ctx context.Context, states map[string]containerState) error {
	var failures []error
	for id, now := range states {
		if r.known(id, now.kind) {
			continue
		}
		log.Printf("removing %s %s, which has no record", now.kind, id)
		if now.kind == kindSandbox {
			if err := r.takeBack(ctx, id, nil); err != nil {
				log.Printf("network of sandbox %s: %v", id, err)
			}
		}
		if err := r.remove(ctx, id); err != nil {
			failures = append(failures, fmt.Errorf("container %s: %w", id, err))
		}
	}
	return errors.Join(failures...)
}

func (r *Runtime) known(id, kind string) bool {
	var err error
	if kind == kindSandbox {
		_, _, err = r.Sandboxes.Get(id)
	} else {
		_, _, err = r.Containers.Get(id)
	}
	return !errors.Is(err, state.ErrNotFound)
}
