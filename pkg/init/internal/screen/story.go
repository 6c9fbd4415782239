package screen

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"kubeiso.dev/pkg/initrd/console"
)

// running is the state of a step that takes long.
const running console.State = "running"

// story is what the lines of the node's console told so far. It is safe for use by several goroutines.
type story struct {
	mu      sync.Mutex
	now     step
	ready   time.Duration // since the machine's start; zero before it, and when the node stops
	stopped string
	order   []string          // the keys of wrong, oldest first
	wrong   map[string]string // by stage and name: what failed and was not seen to go well since
	changed chan struct{}
}

// step is what the node does.
type step struct {
	stage, name string
	at          time.Duration // since the machine's start
	over        bool
}

func newStory() *story { return &story{wrong: map[string]string{}, changed: make(chan struct{}, 1)} }

// take hears a line.
func (s *story) take(line console.Line) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if text := fault(line); text != "" {
		s.add(strings.TrimSpace(line.Stage+" "+line.Name), text)
	} else if line.State == console.OK || line.State == console.Restart {
		s.heal(strings.TrimSpace(line.Stage + " " + line.Name))
	}
	if line.Stage != "service" && line.Stage != "damage" && line.State != running {
		s.now = step{line.Stage, line.Name, line.Uptime, line.State != console.Start}
	}
	switch line.Stage {
	case "ready":
		s.ready = line.Uptime
	case "shutdown":
		s.ready = 0
	}
	s.touch()
}

// fault says what is wrong by a line; nothing if all is well. A service that ends and is to be started again is one that failed.
func fault(line console.Line) string {
	switch {
	case line.State == console.Failed && line.Fields["optional"] != nil:
		return line.Error + " (the node goes on without it)"
	case line.State == console.Failed:
		return line.Error
	case line.State != console.Exited:
		return ""
	case line.Error != "":
		return "ended: " + line.Error
	}
	return fmt.Sprintf("ended with exit code %v", line.Fields["code"])
}

func (s *story) add(key, text string) {
	if _, known := s.wrong[key]; !known {
		s.order = append(s.order, key)
	}
	s.wrong[key] = text
}

func (s *story) heal(key string) {
	delete(s.wrong, key)
	s.order = slices.DeleteFunc(s.order, func(each string) bool { return each == key })
}

// stop says that the boot goes no further.
func (s *story) stop(why error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.stopped = why.Error()
	s.touch()
}

// touch wakes who shows it.
func (s *story) touch() {
	select {
	case s.changed <- struct{}{}:
	default:
	}
}

// told is what a story has come to.
type told struct {
	now     step
	ready   time.Duration
	stopped string
	wrong   []string
}

func (s *story) told() told {
	s.mu.Lock()
	defer s.mu.Unlock()
	result := told{now: s.now, ready: s.ready, stopped: s.stopped}
	for _, key := range s.order {
		if s.stopped == "" || !strings.Contains(s.stopped, s.wrong[key]) { // which says it already
			result.wrong = append(result.wrong, key+": "+s.wrong[key])
		}
	}
	return result
}
