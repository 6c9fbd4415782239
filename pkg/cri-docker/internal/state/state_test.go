package state

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"google.golang.org/protobuf/proto"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func open[R any](t *testing.T, dir string) *Store[R] {
	t.Helper()
	store, err := Open[R](dir)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestRecordsOutliveTheServer(t *testing.T) {
	dir := t.TempDir()
	config := &runtime.PodSandboxConfig{
		Metadata: &runtime.PodSandboxMetadata{Name: "a", Namespace: "b", Uid: "c", Attempt: 3},
		Linux:    &runtime.LinuxPodSandboxConfig{Sysctls: map[string]string{"net.x": "1"}},
	}
	want := Sandbox{Config: config, Handler: "crun", Created: 5, IPs: []string{"10.0.0.1"}, Made: true, Stopped: true}
	if err := open[Sandbox](t, dir).Put("id", want); err != nil {
		t.Fatal(err)
	}
	_, got, err := open[Sandbox](t, dir).Get("id")
	if err != nil || !proto.Equal(got.Config, config) || got.Handler != "crun" || got.Created != 5 || !got.Made || !got.Stopped ||
		len(got.IPs) != 1 {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAContainersRecord(t *testing.T) {
	dir := t.TempDir()
	config := &runtime.ContainerConfig{
		Metadata: &runtime.ContainerMetadata{Name: "a"}, Envs: []*runtime.KeyValue{{Key: "k", Value: []byte{0xff, 0}}},
	}
	want := Container{"pod", config, "sha256:a", "a@sha256:b", "/var/log/x", 7, "no such file", 8}
	if err := open[Container](t, dir).Put("id", want); err != nil {
		t.Fatal(err)
	}
	_, got, err := open[Container](t, dir).Get("id")
	if err != nil || !proto.Equal(got.Config, config) {
		t.Errorf("got %v, %v", got.Config, err)
	}
	got.Config, want.Config = nil, nil
	if got != want {
		t.Errorf("got %+v", got)
	}
}

func TestAFileThatAPowerCutLeftIsRemoved(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"half.json": `{"conf`, "empty.json": "", "a.json.new": "{}"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if all := open[Sandbox](t, dir).All(); len(all) != 0 {
		t.Errorf("got %v", all)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("still there: %v", left)
	}
}

func TestLookUp(t *testing.T) {
	store := open[Container](t, t.TempDir())
	for _, id := range []string{"abc", "abd", "x"} {
		if err := store.Put(id, Container{Config: &runtime.ContainerConfig{}}); err != nil {
			t.Fatal(err)
		}
	}
	for id, want := range map[string]error{"abc": nil, "x": nil, "ab": ErrAmbiguous, "y": ErrNotFound, "": ErrNotFound} {
		if _, _, err := store.Get(id); !errors.Is(err, want) {
			t.Errorf("%q: %v, want %v", id, err, want)
		}
	}
	if full, _, err := store.Get("abd"); full != "abd" || err != nil {
		t.Errorf("%s, %v", full, err)
	}
	if err := errors.Join(store.Delete("x"), store.Delete("x")); err != nil {
		t.Errorf("removing twice: %v", err)
	}
	if len(store.All()) != 2 {
		t.Errorf("left: %v", store.All())
	}
}
