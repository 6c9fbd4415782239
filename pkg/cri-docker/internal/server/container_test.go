package server

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/moby/moby/api/types/mount"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"kubeiso.dev/pkg/cri-docker/internal/engine/enginetest"
)

// only gives the container of that name.
func (w *world) only(name string) *enginetest.Container {
	w.t.Helper()
	found := w.engine.Containers()[name]
	if found == nil {
		w.t.Fatalf("no container %s in %v", name, w.engine.Containers())
	}
	return found
}

func TestAContainerFromItsMakingToItsEnd(t *testing.T) {
	w := newWorld(t)
	pod := w.pod(podConfig("web"))
	config := containerConfig("nginx")
	config.Envs = []*runtime.KeyValue{{Key: "A", Value: []byte("b=c")}}
	config.Command, config.Args, config.StopSignal = []string{"/run"}, []string{"x"}, runtime.Signal_SIGNAL_SIGRTMINPLUS3
	id := w.container(pod, config)
	made := w.only("k8s_nginx_web_default_u1_0")
	if made.Host.NetworkMode.ConnectedContainer() != pod || made.Host.IpcMode.Container() != pod || made.Host.PidMode != "" ||
		!reflect.DeepEqual(made.Config.Env, []string{"A=b=c"}) || made.Config.StopSignal != "SIGRTMIN+3" ||
		made.Config.Healthcheck.Test[0] != "NONE" || made.Host.CgroupParent != "/kubepods/pod1" {
		t.Errorf("got %+v, %+v", made.Config, made.Host)
	}
	if found := w.status(id); found.State != runtime.ContainerState_CONTAINER_CREATED || found.StartedAt != 0 {
		t.Errorf("got %v", found)
	}
	w.start(id)
	found := w.status(id)
	if found.State != runtime.ContainerState_CONTAINER_RUNNING || found.StartedAt == 0 || found.StopSignal != config.StopSignal ||
		found.LogPath != "/var/log/pods/web/nginx/0.log" || found.ImageRef != "sha256:web:1" {
		t.Errorf("got %v", found)
	}
	if want := "/docker/" + id + " /var/log/pods/web/nginx/0.log"; w.papers.followed[id] != want {
		t.Errorf("log: %q", w.papers.followed[id])
	}
	w.engine.End(id, 3)
	found = w.status(id)
	if found.State != runtime.ContainerState_CONTAINER_EXITED || found.ExitCode != 3 || found.Reason != reasonError || found.FinishedAt == 0 {
		t.Errorf("got %v", found)
	}
	if _, flushed := w.papers.flushed[id]; !flushed {
		t.Error("the log may lack its end")
	}
	for range 2 {
		if _, err := w.StopContainer(background, &runtime.StopContainerRequest{ContainerId: id}); err != nil {
			t.Error(err)
		}
		if _, err := w.RemoveContainer(background, &runtime.RemoveContainerRequest{ContainerId: id}); err != nil {
			t.Error(err)
		}
	}
	if len(w.papers.followed) != 0 || len(w.engine.Containers()) != 1 {
		t.Errorf("left: %v, %v", w.papers.followed, w.engine.Containers())
	}
}

func TestAContainerThatCantBeStarted(t *testing.T) {
	w := newWorld(t)
	id := w.container(w.pod(podConfig("web")), containerConfig("nginx"))
	w.engine.Fail["start"] = errBroken
	if _, err := w.StartContainer(background, &runtime.StartContainerRequest{ContainerId: id}); err == nil {
		t.Error("no error")
	}
	w.restart()
	found := w.status(id)
	if found.State != runtime.ContainerState_CONTAINER_EXITED || found.ExitCode != 128 || found.Reason != reasonStartError ||
		found.Message != "broken" || found.FinishedAt == 0 {
		t.Errorf("got %v", found)
	}
}

func TestAContainerOfAnEarlierAttempt(t *testing.T) {
	w := newWorld(t)
	pod := w.pod(podConfig("web"))
	first := w.container(pod, containerConfig("nginx"))
	second := w.container(pod, containerConfig("nginx")) // the kubelet never heard of the first
	if first == second {
		t.Error("the same")
	}
	w.start(second)
	if _, err := w.CreateContainer(background, &runtime.CreateContainerRequest{PodSandboxId: pod, Config: containerConfig("nginx")}); err == nil {
		t.Error("one that runs made room")
	}
	if err := w.Sweep(background); err != nil || len(w.Containers.All()) != 1 {
		t.Errorf("records: %v, %v", w.Containers.All(), err)
	}
}

func TestPrivilegedContainersHaveNoMaskedPaths(t *testing.T) {
	w := newWorld(t)
	pod := w.pod(podConfig("web"))
	for _, privileged := range []bool{true, false} {
		config := containerConfig("nginx")
		config.Metadata.Attempt = map[bool]uint32{true: 1}[privileged]
		config.Linux = &runtime.LinuxContainerConfig{SecurityContext: &runtime.LinuxContainerSecurityContext{
			Privileged: privileged, MaskedPaths: []string{"/proc/kcore"}, ReadonlyPaths: []string{"/proc/sys"},
			Seccomp: &runtime.SecurityProfile{},
		}}
		id := w.container(pod, config)
		found, _ := w.engine.ContainerInspect(background, id, none)
		host := found.Container.HostConfig
		if masked := len(host.MaskedPaths) + len(host.ReadonlyPaths); (masked == 0) != privileged || host.MaskedPaths == nil {
			t.Errorf("privileged %v: %v, %v", privileged, host.MaskedPaths, host.ReadonlyPaths)
		}
		if unconfined := slices.Contains(host.SecurityOpt, seccompUnconfined); unconfined != privileged {
			t.Errorf("privileged %v: %v", privileged, host.SecurityOpt)
		}
	}
}

func TestSeccomp(t *testing.T) {
	path := filepath.Join(t.TempDir(), "profile.json")
	if err := os.WriteFile(path, []byte(`{"defaultAction":"SCMP_ACT_ALLOW"}`), 0o644); err != nil {
		t.Fatal(err)
	}
	local := func(path string) *runtime.SecurityProfile {
		return &runtime.SecurityProfile{ProfileType: runtime.SecurityProfile_Localhost, LocalhostRef: path}
	}
	if got, err := seccompOf(local(path), false); err != nil || got[0] != `seccomp={"defaultAction":"SCMP_ACT_ALLOW"}` {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := seccompOf(local(path+".none"), false); status.Code(err) != codes.InvalidArgument {
		t.Errorf("a profile that is not there: %v", err)
	}
	if got, _ := seccompOf(nil, false); got[0] != seccompUnconfined {
		t.Errorf("none: %v", got)
	}
}

func TestUserOf(t *testing.T) {
	number := func(value int64) *runtime.Int64Value { return &runtime.Int64Value{Value: value} }
	for _, test := range []struct {
		user, group *runtime.Int64Value
		name, want  string
	}{{nil, nil, "", ""}, {number(0), nil, "", "0"}, {number(5), number(0), "", "5:0"}, {nil, number(7), "www", "www:7"}} {
		if got, err := userOf(test.user, test.group, test.name); err != nil || got != test.want {
			t.Errorf("%+v: %q, %v", test, got, err)
		}
	}
	if _, err := userOf(nil, number(7), ""); err == nil {
		t.Error("a group without a user is taken")
	}
}

func TestMounts(t *testing.T) {
	dir := t.TempDir()
	mounts, err := mountsOf([]*runtime.Mount{
		{HostPath: dir + "/new", ContainerPath: "/a", Readonly: true},
		{HostPath: dir, ContainerPath: "/b", Propagation: runtime.MountPropagation_PROPAGATION_BIDIRECTIONAL},
		{HostPath: dir, ContainerPath: "/c", Readonly: true, RecursiveReadOnly: true},
		{Image: &runtime.ImageSpec{Image: "data:1"}, ContainerPath: "/d", ImageSubPath: "x"},
	}, "/state/resolv.conf")
	if err != nil {
		t.Fatal(err)
	}
	a, b, c, d := mounts[0], mounts[1], mounts[2], mounts[3]
	if !a.ReadOnly || !a.BindOptions.ReadOnlyNonRecursive || a.BindOptions.Propagation != mount.PropagationRPrivate {
		t.Errorf("got %+v", a)
	}
	if b.ReadOnly || b.BindOptions.Propagation != mount.PropagationRShared {
		t.Errorf("got %+v", b)
	}
	if !c.BindOptions.ReadOnlyForceRecursive || c.BindOptions.ReadOnlyNonRecursive || d.Type != mount.TypeImage || d.ImageOptions.Subpath != "x" {
		t.Errorf("got %+v, %+v", c, d)
	}
	if last := mounts[4]; last.Source != "/state/resolv.conf" || last.Target != "/etc/resolv.conf" {
		t.Errorf("got %+v", last)
	}
	if _, err := os.Stat(dir + "/new"); err != nil {
		t.Error(err)
	}
	own, err := mountsOf([]*runtime.Mount{{HostPath: dir, ContainerPath: "/etc/resolv.conf"}}, "/state/resolv.conf")
	if err != nil || len(own) != 1 {
		t.Errorf("%v, %v", own, err)
	}
}

func TestMountsThatDockerCantMake(t *testing.T) {
	for _, wanted := range []*runtime.Mount{
		{HostPath: "/", UidMappings: []*runtime.IDMapping{{}}}, {HostPath: "/", RecursiveReadOnly: true},
		{HostPath: "/", RecursiveReadOnly: true, Readonly: true, Propagation: runtime.MountPropagation_PROPAGATION_HOST_TO_CONTAINER},
	} {
		if _, err := mountsOf([]*runtime.Mount{wanted}, ""); err == nil || !strings.Contains(err.Error(), "mount") {
			t.Errorf("%v: %v", wanted, err)
		}
	}
}

func TestNamesOfImages(t *testing.T) {
	w := newWorld(t)
	w.engine.AddImage("web:2")
	for wanted, image := range map[string]*runtime.ImageSpec{
		"web:1":        {Image: "sha256:web:1", UserSpecifiedImage: "web:1"},
		"sha256:web:1": {Image: "sha256:web:1", UserSpecifiedImage: "web:2"}, // the tag has moved on
		"sha256:web:2": {Image: "sha256:web:2"},
	} {
		if got := w.imageName(background, image); got != wanted {
			t.Errorf("%v: %s", image, got)
		}
	}
}

func TestProcessesOfOthers(t *testing.T) {
	w := newWorld(t)
	pod, other := w.pod(podConfig("web")), w.pod(podConfig("other"))
	id := w.container(pod, containerConfig("nginx"))
	debug := containerConfig("debug")
	debug.Linux = &runtime.LinuxContainerConfig{SecurityContext: &runtime.LinuxContainerSecurityContext{
		NamespaceOptions: &runtime.NamespaceOption{Pid: runtime.NamespaceMode_TARGET, TargetId: id},
	}}
	w.container(pod, debug)
	if made := w.only("k8s_debug_web_default_u1_0"); made.Host.PidMode.Container() != id {
		t.Errorf("got %v", made.Host.PidMode)
	}
	if _, err := w.CreateContainer(background, &runtime.CreateContainerRequest{PodSandboxId: other, Config: debug}); err == nil {
		t.Error("a container of another pod is taken")
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t)
	id := w.container(w.pod(podConfig("web")), containerConfig("nginx"))
	given := &runtime.LinuxContainerResources{CpuShares: 512, MemoryLimitInBytes: 1 << 20}
	if _, err := w.UpdateContainerResources(background, &runtime.UpdateContainerResourcesRequest{ContainerId: id, Linux: given}); err != nil {
		t.Fatal(err)
	}
	made := w.only("k8s_nginx_web_default_u1_0")
	if made.Host.CPUShares != 512 || made.Host.Memory != 1<<20 || made.Host.MemorySwap != 1<<20 {
		t.Errorf("got %+v", made.Host.Resources)
	}
	if told := w.status(id).Resources.Linux; told.CpuShares != 512 {
		t.Errorf("told: %v", told)
	}
}

func TestLimitsThatDockerHasNoWordsFor(t *testing.T) {
	w := newWorld(t)
	group := filepath.Join(w.settings.Roots.Cgroup, "pod")
	for path, text := range map[string]string{
		filepath.Join(w.settings.Roots.Proc, "42/cgroup"): "0::/pod\n", filepath.Join(group, "memory.high"): "max",
	} {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.applyUnified(42, &runtime.LinuxContainerResources{Unified: map[string]string{"memory.high": "5"}}); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(filepath.Join(group, "memory.high")); string(text) != "5" {
		t.Errorf("got %q", text)
	}
	if err := w.applyUnified(42, &runtime.LinuxContainerResources{Unified: map[string]string{"../x": "5"}}); err == nil {
		t.Error("a file outside of the group is taken")
	}
}

func TestSignals(t *testing.T) {
	for signal, want := range map[runtime.Signal]string{
		runtime.Signal_SIGNAL_RUNTIME_DEFAULT: "", runtime.Signal_SIGNAL_SIGTERM: "SIGTERM",
		runtime.Signal_SIGNAL_SIGRTMAXMINUS14: "SIGRTMAX-14",
	} {
		if got := signalName(signal); got != want || signalOf(got) != signal {
			t.Errorf("%v: %q, back %v", signal, got, signalOf(got))
		}
	}
}
