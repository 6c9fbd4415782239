// Package control lets programs on the node talk to init: one JSON request and one JSON answer over a unix socket.
package control

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"kubeiso.dev/pkg/init/internal/services"
)

// Socket is where init listens; only root may write to it.
const Socket = "/run/kubeiso/control.sock"

// requestPeriod bounds the reading of a request; the answer takes as long as the command.
const requestPeriod = 10 * time.Second

// Request asks for a verb: "start", "stop", "restart" with a service's name, or "list".
type Request struct {
	Verb string `json:"verb"`
	Name string `json:"name,omitempty"`
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

// Serve listens on path and answers each request in its own goroutine. It returns when it listens.
func Serve(path string, manager Services) error {
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
			go serve(connection, manager)
		}
	}()
	return nil
}

func serve(connection net.Conn, manager Services) {
	defer connection.Close()
	_ = connection.SetReadDeadline(time.Now().Add(requestPeriod))
	var request Request
	if err := json.NewDecoder(connection).Decode(&request); err != nil {
		return
	}
	_ = json.NewEncoder(connection).Encode(carryOut(request, manager))
}

func carryOut(request Request, manager Services) Answer {
	verbs := map[string]func(string) error{
		"start": manager.Start, "stop": manager.Stop, "restart": manager.Restart,
		"list": func(string) error { return nil },
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
