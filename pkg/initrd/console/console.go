// Package console writes the node's progress to its console, one machine-readable line for each stage.
//
// A line is "KUBEISO " and a compact JSON object; its keys are t (seconds since the machine's start), stage, name, state,
// seconds, error, and then the stage's own fields sorted by name. Each line is one write call, so that lines of different
// processes do not mix.
package console

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Prefix starts every machine-readable line.
const Prefix = "KUBEISO "

// maxError bounds the length of an error in a line, in bytes: a serial line is slow and readers have line limits.
const maxError = 1000

// State is where a stage is.
type State string

// The states of a stage.
const (
	Start   State = "start"
	OK      State = "ok"
	Failed  State = "failed"
	Restart State = "restart"
	Exited  State = "exited"
)

// Fields are the own values of a stage, marshalled as JSON.
type Fields map[string]any

// Line is one report. Seconds below zero are left out.
type Line struct {
	Uptime  time.Duration
	Stage   string
	Name    string
	State   State
	Seconds float64
	Error   string
	Fields  Fields
}

// Format gives the line's bytes, newline included. Fields that JSON cannot hold are written as text.
func (l Line) Format() []byte {
	out := []byte(Prefix + `{"t":`)
	out = appendSeconds(out, l.Uptime.Seconds())
	out = appendField(out, "stage", l.Stage)
	if l.Name != "" {
		out = appendField(out, "name", l.Name)
	}
	out = appendField(out, "state", string(l.State))
	if l.Seconds >= 0 {
		out = append(out, `,"seconds":`...)
		out = appendSeconds(out, l.Seconds)
	}
	if l.Error != "" {
		out = appendField(out, "error", shorten(l.Error))
	}
	for _, key := range slices.Sorted(maps.Keys(l.Fields)) {
		out = appendField(out, key, l.Fields[key])
	}
	return append(out, "}\n"...)
}

func appendSeconds(out []byte, seconds float64) []byte {
	return strconv.AppendFloat(out, math.Max(seconds, 0), 'f', 3, 64)
}

func appendField(out []byte, key string, value any) []byte {
	text, err := json.Marshal(value)
	if err != nil {
		text, _ = json.Marshal(fmt.Sprint(value))
	}
	out = append(out, ',')
	out = strconv.AppendQuote(out, key)
	out = append(out, ':')
	return append(out, text...)
}

func shorten(text string) string {
	if len(text) <= maxError {
		return text
	}
	return text[:maxError] + "..."
}

// Console writes lines to each of its outputs. It is safe for use by several goroutines, and those of a machine never hold up who
// writes: see queue.
type Console struct {
	mu      sync.Mutex
	outputs map[string]sink
	watch   func(Line)
}

// sink is where whole lines go.
type sink interface {
	write(text []byte)
	// drain waits until all is written, or nothing goes on any more.
	drain()
}

// New gives a console on out, to which each line is written at once.
func New(out io.Writer) *Console { return &Console{outputs: map[string]sink{"": &direct{out: out}}} }

// direct writes at once.
type direct struct {
	mu  sync.Mutex
	out io.Writer
}

func (d *direct) write(text []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, _ = d.out.Write(text) // a console that cannot be written to must not stop a boot
}

func (d *direct) drain() {}

// Watch has each line told to do, too, in the order of their reports. It must not write to the console.
func (c *Console) Watch(do func(Line)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.watch = do
}

// Report writes one line. Seconds below zero are left out.
func (c *Console) Report(line Line) {
	line.Uptime = Uptime()
	text := line.Format()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, each := range c.outputs {
		each.write(text)
	}
	if c.watch != nil {
		c.watch(line)
	}
}

// Printf writes plain text for people; a newline is added.
func (c *Console) Printf(format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, each := range c.outputs {
		each.write([]byte(fmt.Sprintf(format, args...) + "\n"))
	}
}

// Drain waits until all that was written has left the machine, for use before it stops or another program takes over. It gives up on
// an output on which nothing goes on.
func (c *Console) Drain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	var group sync.WaitGroup
	for _, each := range c.outputs {
		group.Go(each.drain)
	}
	group.Wait()
}

// Stage is a stage under way.
type Stage struct {
	console     *Console
	stage, name string
	begin       time.Time
}

// Begin starts the clock of a stage; nothing is written.
func (c *Console) Begin(stage, name string) *Stage { return c.BeginAt(stage, name, time.Now()) }

// BeginAt is Begin for a stage that began before the console was there.
func (c *Console) BeginAt(stage, name string, begin time.Time) *Stage {
	return &Stage{console: c, stage: stage, name: name, begin: begin}
}

// Announce writes the stage's line with state "start".
func (s *Stage) Announce() *Stage {
	s.console.Report(Line{Stage: s.stage, Name: s.name, State: Start, Seconds: -1})
	return s
}

// End writes the stage's last line, "ok" or, with an error, "failed", and the seconds it took. It gives err back.
func (s *Stage) End(err error, fields Fields) error {
	line := Line{Stage: s.stage, Name: s.name, State: OK, Seconds: time.Since(s.begin).Seconds(), Fields: fields}
	if err != nil {
		line.State, line.Error = Failed, err.Error()
	}
	s.console.Report(line)
	return err
}

// Uptime is the time since the machine's start, sleep included (CLOCK_BOOTTIME).
func Uptime() time.Duration {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return 0
	}
	return time.Duration(now.Nano())
}
