package server

import (
	"os"
	"strings"
	"testing"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func TestAPodFromItsMakingToItsEnd(t *testing.T) {
	w := newWorld(t)
	id := w.pod(podConfig("web"))
	made := w.engine.Containers()["k8s_POD_web_default_u1_0"]
	if made == nil || made.Config.Image != pause || made.Host.CgroupParent != "/kubepods/pod1" || made.Host.NetworkMode != "none" {
		t.Fatalf("got %+v", made)
	}
	if !strings.HasSuffix(w.nets.connected[id], "/ns/net") {
		t.Errorf("network namespace %q", w.nets.connected[id])
	}
	answer, err := w.PodSandboxStatus(background, &runtime.PodSandboxStatusRequest{PodSandboxId: id[:10], Verbose: true})
	if err != nil || answer.Status.State != runtime.PodSandboxState_SANDBOX_READY || answer.Status.Network.Ip != "10.0.0.2" ||
		answer.Status.Network.AdditionalIps[0].Ip != "fd00::2" || answer.Info["config"] == "" {
		t.Errorf("%v, %v", answer, err)
	}
	web := w.container(id, containerConfig("web"))
	w.start(web)
	for range 2 {
		if _, err := w.StopPodSandbox(background, &runtime.StopPodSandboxRequest{PodSandboxId: id}); err != nil {
			t.Fatal(err)
		}
	}
	if state := w.status(web).State; state != runtime.ContainerState_CONTAINER_EXITED {
		t.Errorf("its container is %v", state)
	}
	list, err := w.ListPodSandbox(background, &runtime.ListPodSandboxRequest{})
	if err != nil || list.Items[0].State != runtime.PodSandboxState_SANDBOX_NOTREADY {
		t.Errorf("%v, %v", list, err)
	}
	for range 2 {
		if _, err := w.RemovePodSandbox(background, &runtime.RemovePodSandboxRequest{PodSandboxId: id}); err != nil {
			t.Fatal(err)
		}
	}
	w.nothingLeft()
}

func TestResolvConf(t *testing.T) {
	w := newWorld(t)
	id := w.pod(podConfig("web"))
	text, err := os.ReadFile(w.resolvConfPath(id))
	if want := "nameserver 10.96.0.10\nsearch a b\noptions ndots:5\n"; err != nil || string(text) != want {
		t.Errorf("%q, %v", text, err)
	}
	if err := os.WriteFile(w.settings.ResolvConf, []byte("nameserver 1.1.1.1\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	config := podConfig("other")
	config.DnsConfig = nil
	text, err = os.ReadFile(w.resolvConfPath(w.pod(config)))
	if string(text) != "nameserver 1.1.1.1\n" {
		t.Errorf("the node's own: %q, %v", text, err)
	}
}

func TestAPodOnTheNodesNetwork(t *testing.T) {
	w := newWorld(t)
	config := podConfig("proxy")
	config.Linux.SecurityContext.NamespaceOptions = &runtime.NamespaceOption{
		Network: runtime.NamespaceMode_NODE, Pid: runtime.NamespaceMode_NODE, Ipc: runtime.NamespaceMode_NODE,
	}
	w.container(w.pod(config), containerConfig("proxy"))
	for name, made := range w.engine.Containers() {
		if made.Host.NetworkMode != "host" || made.Host.UTSMode != "host" || made.Host.IpcMode != "host" || made.Config.Hostname != "" {
			t.Errorf("%s: %+v", name, made.Host)
		}
	}
	if len(w.nets.connected) != 0 {
		t.Error("CNI was asked")
	}
}

func TestUserNamespacesAreRefused(t *testing.T) {
	w := newWorld(t)
	config := podConfig("web")
	config.Linux.SecurityContext.NamespaceOptions = &runtime.NamespaceOption{UsernsOptions: &runtime.UserNamespace{}} // mode POD
	_, err := w.RunPodSandbox(background, &runtime.RunPodSandboxRequest{Config: config})
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("got %v", err)
	}
	w.nothingLeft()
}

func TestAPodThatCantBeMadeLeavesNothing(t *testing.T) {
	for step, breaks := range map[string]func(w *world){
		"create":           func(w *world) { w.engine.Fail["create"] = errBroken },
		"start":            func(w *world) { w.engine.Fail["start"] = errBroken },
		"no configuration": func(w *world) { w.nets.fail = errBroken },
		"network":          func(w *world) { w.nets.broken = errBroken },
	} {
		w := newWorld(t)
		breaks(w)
		if _, err := w.RunPodSandbox(background, &runtime.RunPodSandboxRequest{Config: podConfig("web")}); err == nil {
			t.Errorf("%s: no error", step)
		}
		w.nothingLeft()
	}
}

func TestTheImageOfSandboxesIsFetchedWhenItIsMissing(t *testing.T) {
	w := newWorld(t)
	if _, err := w.engine.ImageRemove(background, pause, client.ImageRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	w.pod(podConfig("web"))
	w.engine.Fail["wait"] = errBroken
	if _, err := w.engine.ImageRemove(background, pause, client.ImageRemoveOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.RunPodSandbox(background, &runtime.RunPodSandboxRequest{Config: podConfig("b")}); err == nil {
		t.Error("no error for an image that can't be had")
	}
}

func TestAKilledServerLeavesAPodHalfMade(t *testing.T) {
	w := newWorld(t)
	w.pod(podConfig("whole"))
	request := &runtime.RunPodSandboxRequest{Config: podConfig("half")}
	options, err := w.sandboxOptions(request)
	if err != nil {
		t.Fatal(err)
	}
	// It was killed when Docker had made the container: there is no record.
	if _, err := w.engine.ContainerCreate(background, options); err != nil {
		t.Fatal(err)
	}
	// And another time when it had a record, but no network yet.
	noNetwork := w.pod(podConfig("unconnected"))
	_, record, _ := w.Sandboxes.Get(noNetwork)
	record.Made = false
	if err := w.Sandboxes.Put(noNetwork, record); err != nil {
		t.Fatal(err)
	}
	w.restart()
	if list, err := w.ListPodSandbox(background, &runtime.ListPodSandboxRequest{}); err != nil || len(list.Items) != 1 {
		t.Errorf("before it is cleaned up: %v, %v", list, err)
	}
	if err := w.Recover(background); err != nil {
		t.Fatal(err)
	}
	if left := w.engine.Containers(); len(left) != 1 || left["k8s_POD_whole_default_u1_0"] == nil || len(w.nets.connected) != 1 {
		t.Errorf("left: %v, %v", left, w.nets.connected)
	}
}

func TestTheKubeletMayBeFasterThanTheCleanUp(t *testing.T) {
	w := newWorld(t)
	options, _ := w.sandboxOptions(&runtime.RunPodSandboxRequest{Config: podConfig("web")})
	if _, err := w.engine.ContainerCreate(background, options); err != nil {
		t.Fatal(err)
	}
	w.pod(podConfig("web"))
	_, err := w.RunPodSandbox(background, &runtime.RunPodSandboxRequest{Config: podConfig("web")})
	if !errdefs.IsConflict(err) {
		t.Errorf("a second pod of the same name: %v", err)
	}
}

func TestAPodThatSomebodyRemovedByHand(t *testing.T) {
	w := newWorld(t)
	id := w.pod(podConfig("web"))
	w.start(w.container(id, containerConfig("web")))
	for _, each := range w.engine.Containers() {
		if err := w.remove(background, each.ID); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := w.ListPodSandbox(background, &runtime.ListPodSandboxRequest{}); err != nil || len(list.Items) != 0 {
		t.Errorf("listed: %v, %v", list, err)
	}
	if err := w.Sweep(background); err != nil {
		t.Fatal(err)
	}
	w.nothingLeft()
}

func TestNothingIsSweptWhileSomethingIsMade(t *testing.T) {
	w := newWorld(t)
	options, _ := w.sandboxOptions(&runtime.RunPodSandboxRequest{Config: podConfig("web")})
	if _, err := w.engine.ContainerCreate(background, options); err != nil {
		t.Fatal(err)
	}
	w.making.RLock()
	if err := w.Sweep(background); err != nil || len(w.engine.Containers()) != 1 {
		t.Errorf("swept: %v, %v", w.engine.Containers(), err)
	}
	w.making.RUnlock()
	if err := w.Sweep(background); err != nil || len(w.engine.Containers()) != 0 {
		t.Errorf("not swept: %v, %v", w.engine.Containers(), err)
	}
}

func TestFilters(t *testing.T) {
	w := newWorld(t)
	id := w.pod(podConfig("web"))
	w.pod(podConfig("db"))
	for want, filters := range map[int][]*runtime.PodSandboxFilter{
		0: {{Id: "nope"}, {LabelSelector: map[string]string{"app": "x"}}, {State: &runtime.PodSandboxStateValue{State: runtime.PodSandboxState_SANDBOX_NOTREADY}}},
		1: {{Id: id}, {LabelSelector: map[string]string{"app": "db"}}},
		2: {nil, {}, {State: &runtime.PodSandboxStateValue{}}},
	} {
		for _, filter := range filters {
			list, err := w.ListPodSandbox(background, &runtime.ListPodSandboxRequest{Filter: filter})
			if err != nil || len(list.Items) != want {
				t.Errorf("%v: %d, %v", filter, len(list.Items), err)
			}
		}
	}
}
