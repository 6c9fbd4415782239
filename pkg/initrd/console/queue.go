package console

import (
	"fmt"
	"io"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// maxQueued bounds what waits for a slow output, in bytes: a minute of a serial line at 38400 baud.
	maxQueued = 256 << 10
	// drainPeriod is how long an output may stand still before nobody waits for it any more.
	drainPeriod = 2 * time.Second
	drainPause  = 5 * time.Millisecond
)

// queue is an output that may block, for ever even: a terminal whose user stopped it (Ctrl-S), a serial line with nobody at its other
// end. Its one writer waits for it, and who writes never does. Where too much waits, the oldest lines are dropped, and the output is
// told how much that was.
type queue struct {
	out  io.Writer
	wake chan struct{}

	mu      sync.Mutex
	lines   [][]byte
	size    int // of the lines, in bytes
	dropped int // lines since the output was told of it last
	missing int // bytes of those
	written int // lines so far
	busy    bool
}

func newQueue(out io.Writer) *queue {
	made := &queue{out: out, wake: make(chan struct{}, 1)}
	go made.run()
	return made
}

func (q *queue) write(text []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for len(q.lines) > 0 && q.size+len(text) > maxQueued {
		q.drop()
	}
	q.lines = append(q.lines, text)
	q.size += len(text)
	select {
	case q.wake <- struct{}{}:
	default:
	}
}

// drop forgets the oldest line.
func (q *queue) drop() {
	q.dropped++
	q.missing += len(q.lines[0])
	q.size -= len(q.lines[0])
	q.lines = q.lines[1:]
}

// run writes line after line.
func (q *queue) run() {
	for range q.wake {
		for text := q.next(); text != nil; text = q.next() {
			_, _ = q.out.Write(text) // an output that cannot be written to must not stop a boot
			q.mu.Lock()
			q.written++
			q.mu.Unlock()
		}
	}
}

// next takes what is to be written next; nil if that is nothing.
func (q *queue) next() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.busy = len(q.lines) > 0
	if !q.busy {
		return nil
	}
	if q.dropped > 0 {
		text := fmt.Sprintf("\n%d lines (%d bytes) are missing here: this console took nothing for a while\n", q.dropped, q.missing)
		q.dropped, q.missing = 0, 0
		return []byte(text)
	}
	text := q.lines[0]
	q.lines, q.size = q.lines[1:], q.size-len(text)
	return text
}

func (q *queue) drain() {
	written, since := -1, time.Now()
	for {
		q.mu.Lock()
		now, done := q.written, !q.busy && len(q.lines) == 0
		q.mu.Unlock()
		if done {
			break
		}
		if now != written {
			written, since = now, time.Now()
		}
		if time.Since(since) > drainPeriod {
			return
		}
		time.Sleep(drainPause)
	}
	if terminal, ok := q.out.(*Terminal); ok {
		within(drainPeriod, func() { _ = unix.IoctlSetInt(int(terminal.File().Fd()), unix.TCSBRK, 1) })
	}
}

// within does what may take for ever, and waits no longer than the limit.
func within(limit time.Duration, do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	select {
	case <-done:
	case <-time.After(limit):
	}
}
