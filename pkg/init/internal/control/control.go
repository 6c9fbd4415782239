// Package control lets programs on the node talk to init: one JSON request and one JSON answer over a unix socket.
package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"time"

	"kubeiso.dev/pkg/init/internal/services"
	"kubeiso.dev/pkg/initrd/console"
)

// Socket is where init listens; only root may write to it.
const Socket = "/run/kubeiso/control.sock"

// requestPeriod bounds the reading of a request; the answer takes as long as the command.
const requestPeriod = 10 * time.Second

// Request asks for a verb: "start", "stop", "restart" with a service's name, "list", or "report" with a report.
type Request struct {
	Verb   string  `json:"verb"`
	Name   string  `json:"name,omitempty"`
	Report *Report `json:"report,omitempty"`
}

// Report is what a service tells on the node's console, in the manner of the boot's own stages.
type Report struct {
	Stage  string            `json:"stage"`
	Name   string            `json:"name,omitempty"`
	State  string            `json:"state"` // "start", "ok" or "failed"
	Error  string            `json:"error,omitempty"`
	Fields map[string]string `json:"fields,omitempty"`
}

// Answer is the outcome; Error is empty on success.
type Answer struct {
	Error    string            `json:"error,omitempty"`
	Services []services.Status `json:"services,omitempty"`
}

// Services is what can be commanded.
type Services interface {
	Start(name string) error
	Stop(name string) error
	Restart(name string) error
	List() []services.Status
}

// Console is where reports go.
type Console interface {
	Report(line console.Line)
}

// Serve listens on path and answers each request in its own goroutine. It returns when it listens.
func Serve(path string, manager Services, out Console) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return errors.Join(err, listener.Close())
	}
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(connection, manager, out)
		}
	}()
	return nil
}

func serve(connection net.Conn, manager Services, out Console) {
	defer connection.Close()
	_ = connection.SetReadDeadline(time.Now().Add(requestPeriod))
	var request Request
	if err := json.NewDecoder(connection).Decode(&request); err != nil {
		return
	}
	_ = json.NewEncoder(connection).Encode(carryOut(request, manager, out))
}

func carryOut(request Request, manager Services, out Console) Answer {
	verbs := map[string]func(string) error{
		"start": manager.Start, "stop": manager.Stop, "restart": manager.Restart,
		"list":   func(string) error { return nil },
		"report": func(string) error { return report(request.Report, out) },
	}
	act, known := verbs[request.Verb]
	if !known {
		return Answer{Error: fmt.Sprintf("unknown verb %q", request.Verb)}
	}
	if err := act(request.Name); err != nil {
		return Answer{Error: err.Error()}
	}
	if request.Verb == "list" {
		return Answer{Services: manager.List()}
	}
	return Answer{}
}

// reportable are the states that a service can tell of itself.
var reportable = []console.State{console.Start, console.OK, console.Failed}

func report(given *Report, out Console) error {
	if given == nil || given.Stage == "" || !slices.Contains(reportable, console.State(given.State)) {
		return errors.New("a report has a stage, and a state: start, ok or failed")
	}
	fields := console.Fields{}
	for key, value := range given.Fields {
		fields[key] = value
	}
	out.Report(console.Line{
		Stage: given.Stage, Name: given.Name, State: console.State(given.State), Seconds: -1, Error: given.Error, Fields: fields,
	})
	return nil
}

// Ask sends a request to the init that listens on path.
func Ask(path string, request Request) (Answer, error) {
	var answer Answer
	connection, err := net.Dial("unix", path)
	if err != nil {
		return answer, fmt.Errorf("talking to init: %w", err)
	}
	defer connection.Close()
	if err := json.NewEncoder(connection).Encode(request); err != nil {
		return answer, err
	}
	if err := json.NewDecoder(connection).Decode(&answer); err != nil {
		return answer, fmt.Errorf("init gave no answer: %w", err)
	}
	if answer.Error != "" {
		return answer, errors.New(answer.Error)
	}
	return answer, nil
}
