package control

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"kubeiso.dev/pkg/init/internal/services"
)

// recorder is a manager that notes what it is told; the service "bad" always fails.
type recorder struct{ calls []string }

func (r *recorder) note(verb, name string) error {
	r.calls = append(r.calls, verb+" "+name)
	if name == "bad" {
		return errors.New("it is bad")
	}
	return nil
}

func (r *recorder) Start(name string) error   { return r.note("start", name) }
func (r *recorder) Stop(name string) error    { return r.note("stop", name) }
func (r *recorder) Restart(name string) error { return r.note("restart", name) }
func (r *recorder) List() []services.Status {
	return []services.Status{{Name: "kubelet", State: "running", Pid: 12, Restarts: 3}}
}

func TestCommands(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	manager := &recorder{}
	if err := Serve(path, manager); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v", info, err)
	}
	tests := []struct {
		request Request
		problem string
	}{
		{Request{"start", "kubelet"}, ""}, {Request{"stop", "kubelet"}, ""}, {Request{"restart", "bad"}, "it is bad"},
		{Request{"destroy", "kubelet"}, `unknown verb "destroy"`},
	}
	for _, test := range tests {
		_, err := Ask(path, test.request)
		if (err == nil) != (test.problem == "") || err != nil && err.Error() != test.problem {
			t.Errorf("%v: got %v", test.request, err)
		}
	}
	if want := []string{"start kubelet", "stop kubelet", "restart bad"}; !reflect.DeepEqual(manager.calls, want) {
		t.Errorf("calls %v", manager.calls)
	}
	answer, err := Ask(path, Request{Verb: "list"})
	if err != nil || !reflect.DeepEqual(answer.Services, manager.List()) {
		t.Errorf("list: %+v, %v", answer, err)
	}
}

func TestBadClientsAndServers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	if _, err := Ask(path, Request{Verb: "list"}); err == nil {
		t.Error("no init gives no error")
	}
	if err := Serve(path, &recorder{}); err != nil {
		t.Fatal(err)
	}
	connection, err := net.Dial("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := connection.Write([]byte("nonsense\n")); err != nil {
		t.Fatal(err)
	}
	connection.Close()
	if _, err := Ask(path, Request{Verb: "list"}); err != nil {
		t.Errorf("after a bad client: %v", err)
	}
}
