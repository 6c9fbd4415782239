package server

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"kubeiso.dev/pkg/cri-docker/internal/state"
)

// undoPeriod bounds the removal of what was made in part, whose caller may have gone.
const undoPeriod = 2 * time.Minute

// RunPodSandbox makes and starts a sandbox with its network. After an error nothing is left of it.
func (r *Runtime) RunPodSandbox(ctx context.Context, request *runtime.RunPodSandboxRequest) (*runtime.RunPodSandboxResponse, error) {
	r.making.RLock()
	defer r.making.RUnlock()
	options, err := r.sandboxOptions(request)
	if err != nil {
		return nil, err
	}
	id, err := r.createSandbox(ctx, options)
	if err != nil {
		return nil, fmt.Errorf("making the sandbox: %w", err)
	}
	record := state.Sandbox{Config: request.Config, Handler: request.RuntimeHandler, Created: time.Now().UnixNano()}
	if err := r.bringUp(ctx, id, record); err != nil {
		return nil, errors.Join(err, r.undoSandbox(id))
	}
	return &runtime.RunPodSandboxResponse{PodSandboxId: id}, nil
}

// createSandbox makes the sandbox' container; a missing image is fetched, and what an earlier attempt left makes room.
func (r *Runtime) createSandbox(ctx context.Context, options client.ContainerCreateOptions) (string, error) {
	made, err := r.create(ctx, options, func(id string) bool {
		_, record, err := r.Sandboxes.Get(id)
		return err == nil && record.Made
	})
	if errdefs.IsNotFound(err) {
		if err := r.Pull(ctx, options.Config.Image); err != nil {
			return "", err
		}
		return r.create(ctx, options, func(string) bool { return false })
	}
	return made, err
}

// create makes a container. One of the same name, which whole does not call a whole one, is of an attempt that was cut off.
func (r *Runtime) create(ctx context.Context, options client.ContainerCreateOptions, whole func(id string) bool) (string, error) {
	made, err := r.Engine.ContainerCreate(ctx, options)
	if !errdefs.IsConflict(err) {
		return made.ID, err
	}
	found, lookErr := r.inspect(ctx, options.Name)
	if lookErr != nil || whole(found.Container.ID) {
		return "", err
	}
	log.Printf("removing %s, which was not made to its end", options.Name)
	if err := r.remove(ctx, found.Container.ID); err != nil {
		return "", err
	}
	made, err = r.Engine.ContainerCreate(ctx, options)
	return made.ID, err
}

// bringUp goes from a container that is made to a pod with a network.
func (r *Runtime) bringUp(ctx context.Context, id string, record state.Sandbox) error {
	if err := r.Sandboxes.Put(id, record); err != nil {
		return err
	}
	if err := r.writeResolvConf(id, record.Config.GetDnsConfig()); err != nil {
		return err
	}
	if _, err := r.Engine.ContainerStart(ctx, id, client.ContainerStartOptions{}); err != nil {
		return fmt.Errorf("starting the sandbox: %w", err)
	}
	if !hostNetwork(record.Config) {
		ips, err := r.connect(ctx, id, &record)
		if err != nil {
			return fmt.Errorf("setting up the pod's network: %w", err)
		}
		record.IPs = ips
	}
	record.Made = true
	return r.Sandboxes.Put(id, record)
}

// connect asks for the pod's network. The record says so before: a network that was given in part must be taken back.
func (r *Runtime) connect(ctx context.Context, id string, record *state.Sandbox) ([]string, error) {
	if err := r.Network.Status(); err != nil {
		return nil, err
	}
	path, err := r.networkNamespace(ctx, id)
	if err != nil {
		return nil, err
	}
	if path == "" {
		return nil, errors.New("the sandbox has ended")
	}
	record.Networked = true
	if err := r.Sandboxes.Put(id, *record); err != nil {
		return nil, err
	}
	return r.Network.Add(ctx, id, path, record.Config)
}

// networkNamespace gives the path of a sandbox' network namespace; empty when it does not run.
func (r *Runtime) networkNamespace(ctx context.Context, id string) (string, error) {
	pid, err := r.pid(ctx, id)
	if err != nil || pid == 0 {
		return "", err
	}
	return fmt.Sprintf("/proc/%d/ns/net", pid), nil
}

// undoSandbox removes a sandbox that could not be made, even when its caller has gone.
func (r *Runtime) undoSandbox(id string) error {
	ctx, cancel := context.WithTimeout(context.Background(), undoPeriod)
	defer cancel()
	_, record, err := r.Sandboxes.Get(id)
	if err != nil && !gone(err) {
		return err
	}
	return r.forgetSandbox(ctx, id, record)
}

// writeResolvConf writes what all containers of the pod have as /etc/resolv.conf.
func (r *Runtime) writeResolvConf(id string, dns *runtime.DNSConfig) error {
	text, err := r.resolvConf(dns)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(r.podDir(id), 0o711); err != nil {
		return err
	}
	return os.WriteFile(r.resolvConfPath(id), text, 0o644)
}

func (r *Runtime) resolvConfPath(id string) string { return filepath.Join(r.podDir(id), "resolv.conf") }

// resolvConf gives the text (resolv.conf(5)); the node's own where the pod names nothing.
func (r *Runtime) resolvConf(dns *runtime.DNSConfig) ([]byte, error) {
	if dns == nil {
		text, err := os.ReadFile(r.settings.ResolvConf)
		if errors.Is(err, os.ErrNotExist) {
			return nil, nil
		}
		return text, err
	}
	var text strings.Builder
	for _, server := range dns.Servers {
		fmt.Fprintf(&text, "nameserver %s\n", server)
	}
	if len(dns.Searches) > 0 {
		fmt.Fprintf(&text, "search %s\n", strings.Join(dns.Searches, " "))
	}
	if len(dns.Options) > 0 {
		fmt.Fprintf(&text, "options %s\n", strings.Join(dns.Options, " "))
	}
	return []byte(text.String()), nil
}
