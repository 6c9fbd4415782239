// Package logfile writes logs that do not grow without bounds.
package logfile

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// MaxSize is the size, in bytes, at which a log is moved to NAME.1 and begun anew: a log takes twice this at most.
const MaxSize = 8 << 20

// File is a log file. It is safe for use by several goroutines.
type File struct {
	mu    sync.Mutex
	path  string
	limit int64
	file  *os.File // nil while it can't be opened
	size  int64
	// closed says that later writes are dropped; refused is when opening failed last.
	closed  bool
	refused time.Time
}

// opened has the logs that are not closed; sealed says that none may be opened any more.
var (
	openedMu sync.Mutex
	opened   = map[*File]struct{}{}
	sealed   bool
)

// sealPeriod is what a write under way has to end; on a disk that takes no more it never does.
const sealPeriod = 2 * time.Second

// Seal closes all logs for good, those of programs that hang too: a disk with a file that is open can't be made clean.
func Seal() {
	openedMu.Lock()
	sealed = true
	logs := slices.Collect(maps.Keys(opened))
	openedMu.Unlock()
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		var each sync.WaitGroup
		for _, log := range logs {
			each.Go(func() { _ = log.Close() })
		}
		each.Wait()
	}()
	select {
	case <-closed:
	case <-time.After(sealPeriod):
	}
}

// register says whether the log may be opened.
func (f *File) register() bool {
	openedMu.Lock()
	defer openedMu.Unlock()
	if !sealed {
		opened[f] = struct{}{}
	}
	return !sealed
}

func (f *File) forget() {
	openedMu.Lock()
	defer openedMu.Unlock()
	delete(opened, f)
}

// retryPeriod spaces attempts to open a log anew that could not be opened.
const retryPeriod = time.Second

// Open opens a log for appending; its folder is made. One that can't be opened now (a full disk) is with a later write.
func Open(path string) *File { return open(path, MaxSize) }

func open(path string, limit int64) *File {
	log := &File{path: path, limit: limit}
	log.closed = !log.register()
	log.comeBack()
	return log
}

func (f *File) reopen() error {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(f.path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o640)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		_ = file.Close()
		return err
	}
	f.file, f.size = file, info.Size()
	return nil
}

// Write appends. A log that cannot be written (a full disk) loses data and gives no error: the program that logs must not
// stand still for it.
func (f *File) Write(data []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.file != nil && f.size > 0 && f.size+int64(len(data)) > f.limit {
		f.rotate()
	}
	f.comeBack()
	if f.file != nil {
		written, _ := f.file.Write(data)
		f.size += int64(written)
	}
	return len(data), nil
}

func (f *File) rotate() {
	_ = f.file.Close()
	f.file = nil
	_ = os.Rename(f.path, f.path+".1")
	f.refused = time.Time{}
}

// comeBack opens the log where it is not open: a disk that was full when it was rotated has room again one day.
func (f *File) comeBack() {
	if f.file != nil || f.closed || time.Since(f.refused) < retryPeriod {
		return
	}
	if err := f.reopen(); err != nil {
		f.refused = time.Now()
	}
}

// Close closes the file; later writes are dropped.
func (f *File) Close() error {
	f.forget()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	if f.file == nil {
		return nil
	}
	err := f.file.Close()
	f.file = nil
	return err
}
