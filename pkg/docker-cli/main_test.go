package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/docker/cli/cli"
	"github.com/docker/cli/cli/command"
)

func TestEveryCommandOfTheConsoleIsThere(t *testing.T) {
	docker, err := command.NewDockerCli()
	if err != nil {
		t.Fatal(err)
	}
	root, _, err := newCommand(docker).HandleGlobalFlags()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ps", "images", "logs", "exec", "inspect", "info", "events", "run"} {
		if found, _, err := root.Find([]string{name}); err != nil || found.Name() != name {
			t.Errorf("no command %s: %v", name, err)
		}
	}
}

func TestAnUnknownCommandIsNamed(t *testing.T) {
	err := run(context.Background(), []string{"nonsense"})
	if err == nil || !strings.Contains(err.Error(), "docker nonsense") || exitCode(err) != 1 {
		t.Errorf("got %v", err)
	}
}

func TestExitCode(t *testing.T) {
	for want, err := range map[int]error{1: errors.New("any"), 42: fmt.Errorf("in it: %w", cli.StatusError{StatusCode: 42})} {
		if got := exitCode(err); got != want {
			t.Errorf("%v: code %d, want %d", err, got, want)
		}
	}
}
