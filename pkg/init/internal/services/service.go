package services

import (
	"errors"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/init/internal/bundle"
	"kubeiso.dev/pkg/initrd/console"
)

// Errors of a service's commands.
var (
	ErrRunning    = errors.New("it is running")
	ErrNotRunning = errors.New("it is not running")
)

// Status is what is known of a service.
type Status struct {
	Name     string `json:"name"`
	State    string `json:"state"` // "running", "waiting" (for its next start) or "stopped"
	Pid      int    `json:"pid,omitempty"`
	Restarts int    `json:"restarts"`
	Code     *int   `json:"code,omitempty"` // of the last exit
}

// run is one run of a service's container.
type run interface {
	pid() int
	wait() int
	signal(number unix.Signal)
	// remove takes away what is left; it tries for no longer than that.
	remove(limit time.Duration) error
}

func (i *instance) pid() int { return int(i.task.Pid()) }

// service is one service under supervision.
type service struct {
	console *console.Console
	dir     string
	launch  func(quit <-chan struct{}) (run, error)
	// never says whether a service that has ended stays so.
	never func() bool

	mu     sync.Mutex
	status Status
	quit   chan struct{} // closed to stop; nil while no supervision runs
	ended  chan struct{}
}

func newService(out *console.Console, dir string, launch func(quit <-chan struct{}) (run, error)) *service {
	return &service{
		console: out, dir: dir, launch: launch, status: Status{Name: filepath.Base(dir), State: "stopped"},
		never: func() bool {
			loaded, err := bundle.Load(dir)
			return err == nil && loaded.NeverRestart()
		},
	}
}

// start begins supervision and waits for the outcome of the first start. After a failed one it goes on trying.
func (s *service) start() error {
	s.mu.Lock()
	if s.quit != nil {
		s.mu.Unlock()
		return ErrRunning
	}
	quit, ended, first := make(chan struct{}), make(chan struct{}), make(chan error, 1)
	s.quit, s.ended = quit, ended
	s.mu.Unlock()
	go func() {
		s.supervise(quit, first)
		s.mu.Lock()
		s.status.State, s.status.Pid, s.quit = "stopped", 0, nil
		s.mu.Unlock()
		close(ended)
	}()
	return <-first
}

// stop ends the service and its supervision: SIGTERM, and SIGKILL ten seconds later.
func (s *service) stop() error {
	s.mu.Lock()
	quit, ended := s.quit, s.ended
	if quit == nil {
		s.mu.Unlock()
		return ErrNotRunning
	}
	select {
	case <-quit:
	default:
		close(quit)
	}
	s.mu.Unlock()
	<-ended
	return nil
}

// supervise runs the service again and again until quit is closed, or it has ended and shall stay so.
func (s *service) supervise(quit <-chan struct{}, first chan<- error) {
	pauses := newBackoff()
	for starts := 0; ; starts++ {
		begin := time.Now()
		current, err := s.launch(quit)
		s.reportStart(starts, time.Since(begin), err)
		if starts == 0 {
			first <- err
		}
		code := -1
		if err == nil {
			code = s.attend(current, quit)
		}
		if isClosed(quit) || err == nil && s.never() {
			s.reportExit(code, err, 0)
			return
		}
		pause := pauses.pause(time.Since(begin))
		s.reportExit(code, err, pause)
		select {
		case <-quit:
			return
		case <-time.After(pause):
		}
	}
}

// attend stays with one run to its end, which quit brings about, and cleans up after it.
func (s *service) attend(current run, quit <-chan struct{}) int {
	s.setStatus("running", current.pid())
	exit := make(chan int, 1)
	go func() { exit <- current.wait() }()
	var code int
	limit := callPeriod
	select {
	case code = <-exit:
	case <-quit:
		code, limit = end(current, exit), 2*stopPeriod
	}
	s.setStatus("waiting", 0)
	if err := current.remove(limit); err != nil {
		s.console.Printf("Cleaning up after service %s: %v", s.status.Name, err)
	}
	return code
}

// end asks a run to end, and kills it when it does not.
func end(current run, exit <-chan int) int {
	current.signal(unix.SIGTERM)
	select {
	case code := <-exit:
		return code
	case <-time.After(stopPeriod):
		current.signal(unix.SIGKILL)
	}
	select {
	case code := <-exit:
		return code
	case <-time.After(stopPeriod):
		return -1 // containerd does not answer; removing it is the next attempt
	}
}

func (s *service) reportStart(starts int, took time.Duration, err error) {
	stage := console.Line{Stage: "service", Name: s.status.Name, State: console.OK, Seconds: took.Seconds()}
	switch {
	case err != nil:
		stage.State, stage.Error = console.Failed, err.Error()
	case starts > 0:
		stage.State, stage.Fields = console.Restart, console.Fields{"restarts": starts}
	}
	s.mu.Lock()
	s.status.Restarts = starts
	s.mu.Unlock()
	s.console.Report(stage)
}

// reportExit tells of the end of a run; after a failed start there was none.
func (s *service) reportExit(code int, launchErr error, pause time.Duration) {
	if launchErr != nil {
		return
	}
	s.mu.Lock()
	s.status.Code = &code
	s.mu.Unlock()
	fields := console.Fields{"code": code}
	if pause > 0 {
		fields["restart_in"] = pause.Seconds()
	}
	s.console.Report(console.Line{Stage: "service", Name: s.status.Name, State: console.Exited, Seconds: -1, Fields: fields})
}

func (s *service) setStatus(state string, pid int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.status.State, s.status.Pid = state, pid
}

func (s *service) snapshot() Status {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.status
}

func isClosed(quit <-chan struct{}) bool {
	select {
	case <-quit:
		return true
	default:
		return false
	}
}
