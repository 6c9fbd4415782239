package blockdev

import (
	"slices"
	"time"

	"kubeiso.dev/pkg/initrd/cpu"
)

const (
	// Quiet is how long no device came before all are taken to be there: the modules of disks are loaded by the time anybody
	// looks, and the kernel had looked at their disks before it said so.
	Quiet       = 200 * time.Millisecond
	searchPause = 50 * time.Millisecond
	searchEnd   = 15 * time.Second // at native speed
)

// Search calls look with the names of all devices at once, and again whenever others are there. It ends when look is done or
// fails, and when no more devices are to be expected. done tells which; seen are the devices of the last look.
func (s System) Search(look func(names []string) (done bool, err error), without ...string) (seen []string, done bool, err error) {
	watch := NewWatch(s, without...)
	for {
		if watch.Changed() {
			if done, err := look(watch.Names); done || err != nil {
				return watch.Names, done, err
			}
		}
		if watch.Settled() {
			return watch.Names, false, nil
		}
		time.Sleep(searchPause)
	}
}

// Watch is what a program knows that looks at a machine's devices again and again.
type Watch struct {
	// Names are those of the last look.
	Names        []string
	system       System
	without      []string
	begin, since time.Time
}

// NewWatch begins to watch; the first look finds a change.
func NewWatch(system System, without ...string) *Watch {
	return &Watch{system: system, without: without, begin: time.Now()}
}

// Changed looks, and says whether devices came or went since the last time.
func (w *Watch) Changed() bool {
	names := w.system.Names(w.without...)
	if !w.since.IsZero() && slices.Equal(names, w.Names) {
		return false
	}
	w.Names, w.since = names, time.Now()
	return true
}

// Still is for how long nothing has come or gone.
func (w *Watch) Still() time.Duration { return time.Since(w.since) }

// Settled says whether no more devices are to be expected.
func (w *Watch) Settled() bool {
	return w.Still() >= Quiet && !w.system.Pending() || cpu.Over(w.begin, searchEnd)
}
