package logs

import (
	"log"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

// rest is how long a log is left alone after it was looked at: a container that logs on and on costs a wake-up in that time.
const rest = 50 * time.Millisecond

// Manager follows the logs of all containers that run.
type Manager struct {
	dir     string // of the marks
	watcher *fsnotify.Watcher

	mu        sync.Mutex
	followers map[string]*watched // by container id
	byDir     map[string]*watched
}

type watched struct {
	*follower
	dir  string
	wake chan struct{}
}

// NewManager gives a manager that keeps in dir how far each log is copied.
func NewManager(dir string) (*Manager, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, err
	}
	made := &Manager{dir: dir, watcher: watcher, followers: map[string]*watched{}, byDir: map[string]*watched{}}
	go made.listen()
	return made, nil
}

// Follow copies what Docker's file has and will have to the file at path, until Stop. Following twice is no error.
func (m *Manager) Follow(id, docker, path string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.followers[id] != nil {
		return nil
	}
	made, err := newFollower(docker, path, m.mark(id))
	if err != nil {
		return err
	}
	entry := &watched{made, filepath.Dir(docker), make(chan struct{}, 1)}
	m.followers[id], m.byDir[entry.dir] = entry, entry
	if err := m.watcher.Add(entry.dir); err != nil {
		log.Printf("watching %s: %v", entry.dir, err)
	}
	go entry.run()
	entry.nudge()
	return nil
}

// Flush copies what is there by now.
func (m *Manager) Flush(id string) {
	if entry := m.get(id); entry != nil {
		entry.try()
	}
}

// Reopen begins a container's file anew; false if its log is not followed.
func (m *Manager) Reopen(id string) (bool, error) {
	entry := m.get(id)
	if entry == nil {
		return false, nil
	}
	return true, entry.reopen()
}

// Stop copies what is left and ends the following. How far the log is copied stays known.
func (m *Manager) Stop(id string) {
	m.mu.Lock()
	entry := m.followers[id]
	if entry != nil {
		delete(m.followers, id)
		delete(m.byDir, entry.dir)
	}
	m.mu.Unlock()
	if entry == nil {
		return
	}
	entry.try()
	_ = m.watcher.Remove(entry.dir)
	close(entry.wake)
	entry.close()
}

// Forget stops, and forgets how far the log is copied.
func (m *Manager) Forget(id string) {
	m.Stop(id)
	_ = os.Remove(m.mark(id))
}

func (m *Manager) mark(id string) string { return filepath.Join(m.dir, id) }

func (m *Manager) get(id string) *watched {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.followers[id]
}

// listen wakes the follower of each file that changes.
func (m *Manager) listen() {
	for {
		select {
		case event, open := <-m.watcher.Events:
			if !open {
				return
			}
			m.changed(event.Name)
		case err := <-m.watcher.Errors:
			log.Printf("watching logs: %v", err)
			m.wakeAll() // events may have been lost
		}
	}
}

func (m *Manager) changed(path string) {
	if filepath.Ext(path) != ".log" {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if entry := m.byDir[filepath.Dir(path)]; entry != nil {
		entry.nudge()
	}
}

func (m *Manager) wakeAll() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, entry := range m.followers {
		entry.nudge()
	}
}

// nudge makes run look once more. The manager's lock is held, so that Stop does not close the channel meanwhile.
func (w *watched) nudge() {
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

func (w *watched) run() {
	for range w.wake {
		w.try()
		time.Sleep(rest)
	}
}

func (w *watched) try() {
	if err := w.pump(); err != nil {
		log.Printf("log of %s: %v", w.path, err)
	}
}
