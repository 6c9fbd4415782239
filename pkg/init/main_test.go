package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"kubeiso.dev/pkg/init/internal/control"
	"kubeiso.dev/pkg/init/internal/services"
)

func TestParse(t *testing.T) {
	tests := []struct {
		arguments string
		want      control.Request
		usage     bool
	}{
		{"list", control.Request{Verb: "list"}, false},
		{"restart kubelet", control.Request{Verb: "restart", Name: "kubelet"}, false},
		{"stop kubelet", control.Request{Verb: "stop", Name: "kubelet"}, false},
		{"report kubeadm init failed no k=v", control.Request{Verb: "report", Report: &control.Report{
			Stage: "kubeadm", Name: "init", State: "failed", Error: "no", Fields: map[string]string{"k": "v"},
		}}, false},
		{"report kubeadm init ok", control.Request{Verb: "report", Report: &control.Report{
			Stage: "kubeadm", Name: "init", State: "ok", Fields: map[string]string{},
		}}, false},
		{"report kubeadm init failed no k", control.Request{}, true},
		{"report kubeadm init", control.Request{}, true},
		{"", control.Request{}, true},
		{"start", control.Request{}, true},
		{"list kubelet", control.Request{}, true},
		{"remove kubelet", control.Request{}, true},
	}
	for _, test := range tests {
		got, err := parse(strings.Fields(test.arguments))
		if !reflect.DeepEqual(got, test.want) || errors.Is(err, errUsage) != test.usage {
			t.Errorf("%q: got %+v, %v", test.arguments, got, err)
		}
	}
}

func TestPrintStatus(t *testing.T) {
	code := 137
	var out bytes.Buffer
	all := []services.Status{{Name: "getty", State: "running", Pid: 311}, {Name: "kubelet", State: "waiting", Restarts: 2, Code: &code}}
	if err := printStatus(all, &out); err != nil {
		t.Fatal(err)
	}
	want := "SERVICE  STATE    PID  RESTARTS  LAST EXIT\n" +
		"getty    running  311  0         -\n" +
		"kubelet  waiting  -    2         137\n"
	if out.String() != want {
		t.Errorf("got\n%s", out.String())
	}
}

func TestUnknownName(t *testing.T) {
	if err := run("init", nil); err == nil {
		t.Error("init runs as an ordinary process")
	}
}

func TestLogfileKeepsWhatItReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a/kubeadm.log")
	for _, text := range []string{"one\n", "two\n"} {
		if err := keepLog([]string{path}, strings.NewReader(text)); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := os.ReadFile(path); err != nil || string(got) != "one\ntwo\n" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := keepLog(nil, strings.NewReader("")); !errors.Is(err, errUsage) {
		t.Errorf("without a path: %v", err)
	}
}
