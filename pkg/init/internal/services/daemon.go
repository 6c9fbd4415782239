package services

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	containerd "github.com/containerd/containerd/v2/client"
	"github.com/pelletier/go-toml/v2"
	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/init/internal/logfile"
	"kubeiso.dev/pkg/init/internal/process"
	"kubeiso.dev/pkg/initrd/console"
)

const (
	daemonPath    = "/usr/bin/containerd"
	daemonOptions = "/etc/containerd/runtime-config.toml"
	daemonLog     = "/var/log/containerd.log"
	// Socket is where containerd answers.
	Socket = "/run/containerd/containerd.sock"

	answerPoll = 100 * time.Millisecond
	// daemonScore makes the kernel spare containerd when memory is short, as its own unit file does.
	daemonScore = -999
)

// stopPeriod is what a process has to end after SIGTERM, and after SIGKILL.
var stopPeriod = 10 * time.Second

// Daemon is containerd under supervision.
type Daemon struct {
	console *console.Console
	reaper  *process.Reaper
	options options

	stop     context.CancelFunc
	answered chan struct{} // closed when it first answers
	ended    chan struct{} // closed after Stop
}

// options is LinuxKit's runtime-config.toml.
type options struct {
	CLIOpts string `toml:"cliopts"`
	Stderr  string `toml:"stderr"`
	Stdout  string `toml:"stdout"`

	// strange names keys that this node does not know.
	strange string
}

// readOptions reads the options; a missing file has none.
func readOptions(path string) (options, error) {
	read := options{Stderr: daemonLog, Stdout: daemonLog}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return read, nil
	}
	var unknown *toml.StrictMissingError
	if err == nil {
		err = toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&read)
	}
	if errors.As(err, &unknown) {
		err = toml.Unmarshal(text, &read)
		keys := map[string]bool{}
		for _, each := range unknown.Errors {
			keys[each.Key()[0]] = true
		}
		read.strange = strings.Join(slices.Sorted(maps.Keys(keys)), ", ")
	}
	if err != nil {
		return read, fmt.Errorf("%s: %w", path, err)
	}
	for _, target := range []string{read.Stderr, read.Stdout} {
		if target != "stderr" && target != "stdout" && !strings.HasPrefix(target, "/") {
			return read, fmt.Errorf("%s: output goes to %q, which is neither stderr, stdout nor an absolute path", path, target)
		}
	}
	return read, nil
}

// StartDaemon starts containerd, waits until it answers, and keeps it running until Stop. It reports each start and end. If ctx
// ends before the first answer, containerd is stopped.
func StartDaemon(ctx context.Context, out *console.Console, reaper *process.Reaper) (*Daemon, error) {
	read, err := readOptions(daemonOptions)
	if err != nil {
		return nil, out.Begin("containerd", "").End(err, nil)
	}
	if read.strange != "" {
		out.Printf("%s: this node knows no %s: that has no effect", daemonOptions, read.strange)
	}
	life, stop := context.WithCancel(context.Background())
	daemon := &Daemon{
		console: out, reaper: reaper, options: read, stop: stop, answered: make(chan struct{}), ended: make(chan struct{}),
	}
	go daemon.supervise(life)
	select {
	case <-daemon.answered:
		return daemon, nil
	case <-ctx.Done():
		daemon.Stop()
		return nil, ctx.Err()
	}
}

// Stop ends containerd for good; its containers keep running.
func (d *Daemon) Stop() {
	d.stop()
	<-d.ended
}

// supervise starts containerd again and again until ctx ends.
func (d *Daemon) supervise(ctx context.Context) {
	defer close(d.ended)
	pauses := newBackoff()
	for {
		begin := time.Now()
		err := d.live(ctx)
		if ctx.Err() != nil {
			return
		}
		pause := pauses.pause(time.Since(begin))
		d.report(console.Exited, -1, err, console.Fields{"restart_in": pause.Seconds()})
		sleep(ctx, pause)
	}
}

// live is one life of containerd, from its start to its end. The error says how it ended.
func (d *Daemon) live(ctx context.Context) error {
	begin := time.Now()
	child, err := d.start()
	if err != nil {
		return err
	}
	if awaitServing(child.Done()) {
		d.greet(time.Since(begin))
	}
	select {
	case <-child.Done():
	case <-ctx.Done():
		if !terminate(child.Kill, child.Done()) {
			return errors.New("containerd hangs in the kernel")
		}
	}
	return fmt.Errorf("containerd ended with code %d", child.Wait())
}

// greet reports that containerd answers: "ok" the first time, then "restart".
func (d *Daemon) greet(after time.Duration) {
	select {
	case <-d.answered:
		d.report(console.Restart, after.Seconds(), nil, nil)
	default:
		d.report(console.OK, after.Seconds(), nil, nil)
		close(d.answered)
	}
}

func (d *Daemon) report(state console.State, seconds float64, err error, fields console.Fields) {
	line := console.Line{Stage: "containerd", State: state, Seconds: seconds, Fields: fields}
	if err != nil {
		line.Error = err.Error()
	}
	d.console.Report(line)
}

// start runs the program with its output where the options want it.
func (d *Daemon) start() (*process.Child, error) {
	stdout, err := openOutput(d.options.Stdout)
	if err != nil {
		return nil, err
	}
	defer stdout.release()
	stderr, err := openOutput(d.options.Stderr)
	if err != nil {
		return nil, err
	}
	defer stderr.release()
	argv := append([]string{daemonPath}, strings.Fields(d.options.CLIOpts)...)
	child, err := d.reaper.Start(argv, stdout.file, stderr.file, readEnvironment(environmentFolder)...)
	if err != nil {
		return nil, err
	}
	_ = os.WriteFile(fmt.Sprintf("/proc/%d/oom_score_adj", child.Pid), []byte(strconv.Itoa(daemonScore)), 0)
	return child, nil
}

// awaitServing waits until containerd serves; false if quit is closed before.
func awaitServing(quit <-chan struct{}) bool {
	for {
		if serves() {
			return true
		}
		select {
		case <-quit:
			return false
		case <-time.After(answerPoll):
		}
	}
}

// serves asks containerd for its health. The plain connection first: the client's own retries are seconds apart.
func serves() bool {
	connection, err := net.Dial("unix", Socket)
	if err != nil {
		return false
	}
	_ = connection.Close()
	client, err := containerd.New(Socket)
	if err != nil {
		return false
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), stopPeriod)
	defer cancel()
	serving, err := client.IsServing(ctx)
	return err == nil && serving
}

// terminate asks a process to end, and kills it when it does not. One that hangs in the kernel stays all the same: false.
func terminate(kill func(unix.Signal) error, done <-chan struct{}) bool {
	for _, signal := range []unix.Signal{unix.SIGTERM, unix.SIGKILL} {
		_ = kill(signal)
		select {
		case <-done:
			return true
		case <-time.After(stopPeriod):
		}
	}
	return false
}

// output is one end for a program to write to.
type output struct {
	file  *os.File
	close bool
}

// openOutput gives the console's stream, or the begin of a pipe into a bounded log.
func openOutput(target string) (output, error) {
	switch target {
	case "stdout":
		return output{file: os.Stdout}, nil
	case "stderr":
		return output{file: os.Stderr}, nil
	}
	log := logfile.Open(target)
	reader, writer, err := os.Pipe()
	if err != nil {
		return output{}, errors.Join(err, log.Close())
	}
	go func() {
		_, _ = io.Copy(log, reader)
		_ = errors.Join(reader.Close(), log.Close())
	}()
	return output{file: writer, close: true}, nil
}

// release closes this process's copy.
func (o output) release() {
	if o.close {
		_ = o.file.Close()
	}
}

// sleep waits, but not longer than ctx lasts.
func sleep(ctx context.Context, pause time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(pause):
	}
}
