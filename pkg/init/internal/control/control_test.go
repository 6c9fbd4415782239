package control

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"testing"

	"kubeiso.dev/pkg/init/internal/services"
	"kubeiso.dev/pkg/initrd/console"
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

// paper is a console that keeps what it shows.
type paper struct{ lines []console.Line }

func (p *paper) Report(line console.Line) { p.lines = append(p.lines, line) }

func TestCommands(t *testing.T) {
	path := filepath.Join(t.TempDir(), "control.sock")
	manager := &recorder{}
	shown := &paper{}
	if err := Serve(path, manager, shown); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket: %v, %v", info, err)
	}
	tests := []struct {
		request Request
		problem string
	}{
		{Request{Verb: "start", Name: "kubelet"}, ""}, {Request{Verb: "stop", Name: "kubelet"}, ""},
		{Request{Verb: "restart", Name: "bad"}, "it is bad"}, {Request{Verb: "destroy", Name: "kubelet"}, `unknown verb "destroy"`},
		{Request{Verb: "report", Report: &Report{
			Stage: "kubeadm", Name: "init", State: "failed", Error: "no", Fields: map[string]string{"again_in": "15"},
		}}, ""},
		{Request{Verb: "report"}, "a report has a stage, and a state: start, ok or failed"},
		{Request{Verb: "report", Report: &Report{Stage: "x", State: "exited"}}, "a report has a stage, and a state: start, ok or failed"},
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
	want := []console.Line{{
		Stage: "kubeadm", Name: "init", State: console.Failed, Seconds: -1, Error: "no", Fields: console.Fields{"again_in": "15"},
	}}
	if !reflect.DeepEqual(shown.lines, want) {
		t.Errorf("console: %+v", shown.lines)
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
	if err := Serve(path, &recorder{}, &paper{}); err != nil {
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
