package server

import (
	"context"
	"errors"
	"path/filepath"
	"testing"

	"github.com/moby/moby/client"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"kubeiso.dev/pkg/cri-docker/internal/engine/enginetest"
	"kubeiso.dev/pkg/cri-docker/internal/images"
	"kubeiso.dev/pkg/cri-docker/internal/state"
	"kubeiso.dev/pkg/cri-docker/internal/stats"
)

const pause = "registry.k8s.io/pause:1"

var background = context.Background()

// nets notes which sandboxes have a network.
type nets struct {
	connected map[string]string
	fail      error // of Status, and of Remove: there is no configuration
	broken    error // of Add, when it has done a part
}

func (n *nets) Status() error { return n.fail }

func (n *nets) Add(_ context.Context, id, path string, _ *runtime.PodSandboxConfig) ([]string, error) {
	n.connected[id] = path
	return []string{"10.0.0.2", "fd00::2"}, n.broken
}

func (n *nets) Remove(_ context.Context, id, _ string, _ *runtime.PodSandboxConfig) error {
	if n.fail == nil {
		delete(n.connected, id)
	}
	return n.fail
}

// papers notes which logs are written.
type papers struct{ followed, flushed map[string]string }

func (p *papers) Follow(id, docker, path string) error {
	p.followed[id] = docker + " " + path
	return nil
}
func (p *papers) Flush(id string)                { p.flushed[id] = "" }
func (p *papers) Reopen(id string) (bool, error) { _, found := p.followed[id]; return found, nil }
func (p *papers) Stop(id string)                 { delete(p.followed, id) }
func (p *papers) Forget(id string)               { delete(p.followed, id) }

// world is a server with all that it works with, as a test sees it.
type world struct {
	*Runtime
	t      *testing.T
	dir    string
	engine *enginetest.Engine
	nets   *nets
	papers *papers
}

func newWorld(t *testing.T) *world {
	t.Helper()
	made := &world{
		t: t, dir: t.TempDir(), engine: enginetest.New(pause, "web:1"), nets: &nets{connected: map[string]string{}},
		papers: &papers{map[string]string{}, map[string]string{}},
	}
	made.restart()
	return made
}

// restart puts another server in the place of the one that is there, as after kill -9.
func (w *world) restart() {
	w.t.Helper()
	sandboxes, err := state.Open[state.Sandbox](filepath.Join(w.dir, "sandboxes"))
	if err != nil {
		w.t.Fatal(err)
	}
	containers, err := state.Open[state.Container](filepath.Join(w.dir, "containers"))
	if err != nil {
		w.t.Fatal(err)
	}
	roots := stats.Roots{Proc: filepath.Join(w.dir, "proc"), Cgroup: filepath.Join(w.dir, "cgroup")}
	w.Runtime, err = New(Parts{
		Engine: w.engine, Sandboxes: sandboxes, Containers: containers, Network: w.nets, Logs: w.papers,
		Meter: stats.NewMeter(roots), Pull: images.New(w.engine, nil, w.dir).Pull,
	}, Settings{Pause: pause, Dir: w.dir, ResolvConf: filepath.Join(w.dir, "resolv.conf"), Roots: roots}, "127.0.0.1:0")
	if err != nil {
		w.t.Fatal(err)
	}
}

func podConfig(name string) *runtime.PodSandboxConfig {
	return &runtime.PodSandboxConfig{
		Metadata: &runtime.PodSandboxMetadata{Name: name, Namespace: "default", Uid: "u1"}, Hostname: name,
		LogDirectory: "/var/log/pods/" + name, Labels: map[string]string{"app": name},
		DnsConfig: &runtime.DNSConfig{Servers: []string{"10.96.0.10"}, Searches: []string{"a", "b"}, Options: []string{"ndots:5"}},
		Linux:     &runtime.LinuxPodSandboxConfig{CgroupParent: "/kubepods/pod1", SecurityContext: &runtime.LinuxSandboxSecurityContext{}},
	}
}

func containerConfig(name string) *runtime.ContainerConfig {
	return &runtime.ContainerConfig{
		Metadata: &runtime.ContainerMetadata{Name: name}, Image: &runtime.ImageSpec{Image: "sha256:web:1"}, LogPath: name + "/0.log",
		Linux: &runtime.LinuxContainerConfig{SecurityContext: &runtime.LinuxContainerSecurityContext{
			NamespaceOptions: &runtime.NamespaceOption{Pid: runtime.NamespaceMode_CONTAINER},
		}},
	}
}

// pod makes a pod and gives its id.
func (w *world) pod(config *runtime.PodSandboxConfig) string {
	w.t.Helper()
	answer, err := w.RunPodSandbox(background, &runtime.RunPodSandboxRequest{Config: config})
	if err != nil {
		w.t.Fatal(err)
	}
	return answer.PodSandboxId
}

// container makes a container in a pod and gives its id.
func (w *world) container(pod string, config *runtime.ContainerConfig) string {
	w.t.Helper()
	answer, err := w.CreateContainer(background, &runtime.CreateContainerRequest{PodSandboxId: pod, Config: config})
	if err != nil {
		w.t.Fatal(err)
	}
	return answer.ContainerId
}

func (w *world) start(id string) {
	w.t.Helper()
	w.engine.SetLogPath(id, "/docker/"+id)
	if _, err := w.StartContainer(background, &runtime.StartContainerRequest{ContainerId: id}); err != nil {
		w.t.Fatal(err)
	}
}

// status gives a container's status.
func (w *world) status(id string) *runtime.ContainerStatus {
	w.t.Helper()
	answer, err := w.ContainerStatus(background, &runtime.ContainerStatusRequest{ContainerId: id})
	if err != nil {
		w.t.Fatal(err)
	}
	return answer.Status
}

// nothingLeft demands that neither Docker nor a record nor the network has anything.
func (w *world) nothingLeft() {
	w.t.Helper()
	if left := w.engine.Containers(); len(left) != 0 {
		w.t.Errorf("Docker still has %v", left)
	}
	if len(w.Sandboxes.All())+len(w.Containers.All()) != 0 {
		w.t.Errorf("records: %v, %v", w.Sandboxes.All(), w.Containers.All())
	}
	if len(w.nets.connected) != 0 {
		w.t.Errorf("the network still has %v", w.nets.connected)
	}
}

var (
	errBroken = errors.New("broken")
	none      client.ContainerInspectOptions
)
