package oneshot

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"kubeiso.dev/pkg/init/internal/logfile"
)

const (
	// maxShown bounds what of a failed step's output goes to the console, in bytes of each stream.
	maxShown = 32 << 10
	// maxNote bounds the note of a step that succeeded, in bytes.
	maxNote = 200
	// settlePeriod is for the last words of a step; what it left running may hold its output open for longer.
	settlePeriod = 2 * time.Second
)

// output is where a step's output goes.
type output struct{ stdout, stderr *stream }

// openOutput makes NAME.out.log and NAME.log, as LinuxKit names them.
func openOutput(dir, name string) (*output, error) {
	stdout, err := openStream(filepath.Join(dir, name+".out.log"))
	if err != nil {
		return nil, err
	}
	stderr, err := openStream(filepath.Join(dir, name+".log"))
	if err != nil {
		return nil, errors.Join(err, stdout.writer.Close())
	}
	return &output{stdout, stderr}, nil
}

// settle waits until all that the step wrote has arrived. Nothing may be written after it.
func (o *output) settle() {
	for _, each := range []*stream{o.stdout, o.stderr} {
		each.settle()
	}
}

// tail gives the last part of both streams, once they are settled.
func (o *output) tail() string {
	return strings.TrimRight(o.stdout.end()+o.stderr.end(), "\n")
}

// note gives the last line of the standard output that is not blank.
func (o *output) note() string {
	line := o.stdout.lastLine()
	if len(line) > maxNote {
		line = strings.ToValidUTF8(line[:maxNote], "") + "..."
	}
	return line
}

// stream is one of a step's two: a pipe into a bounded log, whose end is kept.
type stream struct {
	writer *os.File
	done   chan struct{}
	log    *logfile.File
	mu     sync.Mutex
	kept   []byte // the last bytes
}

func openStream(path string) (*stream, error) {
	reader, writer, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	opened := &stream{writer: writer, done: make(chan struct{}), log: logfile.Open(path)}
	go func() {
		defer close(opened.done)
		_, _ = io.Copy(opened, reader)
		_ = errors.Join(reader.Close(), opened.log.Close())
	}()
	return opened, nil
}

// Write takes what came out of the pipe.
func (s *stream) Write(data []byte) (int, error) {
	s.mu.Lock()
	kept := append(s.kept, data...)
	s.kept = kept[max(0, len(kept)-maxShown):]
	s.mu.Unlock()
	return s.log.Write(data)
}

func (s *stream) settle() {
	_ = s.writer.Close()
	select {
	case <-s.done:
	case <-time.After(settlePeriod):
	}
}

// end gives the last bytes that came.
func (s *stream) end() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.kept)
}

// lastLine gives the last line that is not blank.
func (s *stream) lastLine() string {
	text := strings.TrimSpace(s.end())
	return strings.TrimSpace(text[strings.LastIndex(text, "\n")+1:])
}
