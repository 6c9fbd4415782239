package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/sys/unix"
)

const (
	poll      = time.Second
	firstWait = time.Second
	maxWait   = 30 * time.Second
	// patience is how long a receiver may take nothing before the connection counts as broken.
	patience = 30 * time.Second
	// settling is how long the receiver's program has to read what its kernel confirmed: if it ends before, lines are sent again.
	settling = 10 * time.Second
	// window is how much may be under way, in bytes: what is not confirmed is sent again after a break.
	window = 4 << 20
)

// message is a line as it is sent.
type message struct {
	Time string `json:"time"`
	Node string `json:"node"`
	Log  string `json:"log"`
	Text string `json:"text,omitempty"`
	Lost string `json:"lost,omitempty"`
}

// sender sends a node's logs to one place, for as long as it runs.
type sender struct {
	to, node string
	logs     *logs
	told     io.Writer
	// first and most bound the wait before another attempt.
	first, most, settling time.Duration
	state                 string
}

// run connects, and connects again, until the context ends.
func (s *sender) run(ctx context.Context) {
	wait := s.first
	for ctx.Err() == nil {
		began := time.Now()
		err := s.connection(ctx)
		s.logs.rewind()
		if ctx.Err() != nil {
			return
		}
		s.tell(fmt.Sprintf("lines wait: %v", err))
		if time.Since(began) > s.most {
			wait = s.first
		}
		select {
		case <-ctx.Done():
		case <-time.After(wait):
		}
		wait = min(2*wait, s.most)
	}
}

// tell says a change once: what it says is a line of a log, too.
func (s *sender) tell(state string) {
	if state != s.state {
		s.state = state
		fmt.Fprintf(s.told, "log-forward: %s: %s\n", s.to, state)
	}
}

// connection sends lines until the connection breaks.
func (s *sender) connection(ctx context.Context) error {
	dialer := net.Dialer{Timeout: patience, KeepAlive: patience / 2}
	made, err := dialer.DialContext(ctx, "tcp", s.to)
	if err != nil {
		return err
	}
	connection := &connection{TCPConn: made.(*net.TCPConn), settling: s.settling, broken: make(chan error, 1)}
	defer connection.Close()
	if err := connection.watch(); err != nil {
		return err
	}
	s.tell("connected")
	saved := time.Now()
	for {
		lines := s.logs.next()
		err := s.send(ctx, connection, lines)
		connection.confirm(s.logs)
		if err != nil || ctx.Err() != nil {
			_ = s.logs.save()
			return err
		}
		if time.Since(saved) >= poll {
			saved = time.Now()
			if err := s.logs.save(); err != nil {
				s.tell(fmt.Sprintf("how far it came can't be kept: %v", err))
			}
		}
		if len(lines) > 0 {
			continue
		}
		select {
		case <-ctx.Done():
		case err := <-connection.broken:
			return err
		case <-time.After(poll):
		}
	}
}

func (s *sender) send(ctx context.Context, to *connection, lines []line) error {
	for _, each := range lines {
		now := time.Now().UTC().Format(time.RFC3339Nano)
		text, err := json.Marshal(message{Time: now, Node: s.node, Log: each.log, Text: each.text, Lost: each.lost})
		if err != nil {
			return err
		}
		if err := to.write(append(text, '\n'), each); err != nil {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if to.sent-to.confirmed > window {
			if err := to.await(s.logs); err != nil {
				return err
			}
		}
	}
	return nil
}

// connection counts what is under way.
type connection struct {
	*net.TCPConn
	settling        time.Duration
	broken          chan error
	sent, confirmed int64
	marks           []mark
}

// mark says that a line has arrived once so many bytes have.
type mark struct {
	at   int64
	when time.Time
	line line
}

// watch lets the kernel end a connection whose receiver confirms nothing, and hears of its end.
func (c *connection) watch() error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = raw.Control(func(fd uintptr) {
		failed = unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(patience.Milliseconds()))
	})
	if err == nil {
		err = failed
	}
	go func() {
		_, err := io.Copy(io.Discard, c.TCPConn)
		if err == nil {
			err = io.EOF
		}
		c.broken <- fmt.Errorf("the receiver has ended the connection: %w", err)
	}()
	return err
}

func (c *connection) write(text []byte, of line) error {
	select {
	case err := <-c.broken:
		return err
	default:
	}
	if err := c.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	if _, err := c.TCPConn.Write(text); err != nil {
		return err
	}
	c.sent += int64(len(text))
	c.marks = append(c.marks, mark{c.sent, time.Now(), of})
	return nil
}

// confirm notes the lines that the receiver's kernel has, which is all but what waits in ours, and has had for a while.
func (c *connection) confirm(logs *logs) {
	raw, err := c.SyscallConn()
	if err != nil {
		return
	}
	waiting := 0
	failed := raw.Control(func(fd uintptr) { waiting, err = unix.IoctlGetInt(int(fd), unix.TIOCOUTQ) })
	if failed != nil || err != nil {
		return
	}
	c.confirmed = c.sent - int64(waiting)
	count := 0
	for ; count < len(c.marks) && c.marks[count].at <= c.confirmed && time.Since(c.marks[count].when) >= c.settling; count++ {
		logs.arrived(c.marks[count].line.path, c.marks[count].line.after)
	}
	c.marks = c.marks[count:]
}

// await waits until there is room in the window again.
func (c *connection) await(logs *logs) error {
	end := time.Now().Add(patience)
	for {
		if c.confirm(logs); c.sent-c.confirmed <= window/2 {
			return nil
		}
		select {
		case err := <-c.broken:
			return err
		case <-time.After(poll / 20):
		}
		if time.Now().After(end) {
			return fmt.Errorf("the receiver takes nothing for %v", patience)
		}
	}
}
