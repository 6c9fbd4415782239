package roster

import (
	"context"

	"github.com/moby/moby/client"

	"kubeiso.dev/pkg/cri-docker/internal/engine"
)

// watched is an engine whose changes its roster knows at once, before their events come.
type watched struct {
	engine.Engine
	roster *Roster
}

// Engine is the roster's engine, for whoever changes containers.
func (r *Roster) Engine() engine.Engine { return watched{r.engine, r} }

func (w watched) ContainerCreate(ctx context.Context, options client.ContainerCreateOptions) (client.ContainerCreateResult, error) {
	made, err := w.Engine.ContainerCreate(ctx, options)
	if made.ID != "" {
		w.roster.Changed(made.ID)
	}
	return made, err
}

func (w watched) ContainerStart(ctx context.Context, id string, options client.ContainerStartOptions) (client.ContainerStartResult, error) {
	defer w.roster.Changed(id)
	return w.Engine.ContainerStart(ctx, id, options)
}

func (w watched) ContainerStop(ctx context.Context, id string, options client.ContainerStopOptions) (client.ContainerStopResult, error) {
	defer w.roster.Changed(id)
	return w.Engine.ContainerStop(ctx, id, options)
}

func (w watched) ContainerRemove(ctx context.Context, id string, options client.ContainerRemoveOptions) (client.ContainerRemoveResult, error) {
	defer w.roster.Changed(id)
	return w.Engine.ContainerRemove(ctx, id, options)
}
