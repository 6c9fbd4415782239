package logs

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
)

// follower copies one container's log.
type follower struct {
	path string // CRI's file

	mu     sync.Mutex
	source *source
	target *os.File
	marks  markFile
	at     mark
}

// newFollower goes on where an earlier server stopped: what that one wrote and did not note is cut off, and written again.
func newFollower(docker, path, markPath string) (*follower, error) {
	marks, at, err := openMark(markPath)
	if err != nil {
		return nil, err
	}
	made := &follower{path: path, marks: marks, at: at}
	if made.source, err = openSource(docker, at); err == nil {
		err = made.openTarget()
	}
	if err != nil {
		made.close()
		return nil, err
	}
	return made, nil
}

// openTarget opens CRI's file, which is made if it is missing.
func (f *follower) openTarget() error {
	if err := os.MkdirAll(filepath.Dir(f.path), 0o755); err != nil {
		return err
	}
	f.cutRotated()
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	f.target = file
	if inode(file) == f.at.Target {
		return cut(file, f.at.Size)
	}
	return f.begin()
}

// begin notes that CRI's file is another one than before.
func (f *follower) begin() error {
	end, err := f.target.Seek(0, 2)
	if err != nil {
		return err
	}
	f.at.Target, f.at.Size = inode(f.target), end
	return f.note()
}

// cutRotated does for a file that was renamed since, what openTarget does for one that was not.
func (f *follower) cutRotated() {
	others, _ := filepath.Glob(f.path + ".*")
	for _, other := range others {
		if inodeAt(other) == f.at.Target {
			if file, err := os.OpenFile(other, os.O_WRONLY, 0); err == nil {
				_ = errors.Join(cut(file, f.at.Size), file.Close())
			}
		}
	}
}

// cut makes a file no longer than size.
func cut(file *os.File, size int64) error {
	info, err := file.Stat()
	if err == nil && info.Size() > size {
		err = file.Truncate(size)
	}
	return err
}

// pump copies all that Docker has logged by now.
func (f *follower) pump() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for f.target != nil {
		lines, more, err := f.source.next()
		if err != nil || !more {
			return err
		}
		if err := f.write(lines); err != nil {
			return err
		}
	}
	return nil
}

func (f *follower) write(lines []byte) error {
	count, err := f.target.Write(lines)
	if err != nil {
		// A full disk: what was written in part goes away, so that all of it can be written later.
		_ = f.target.Truncate(f.at.Size)
		f.source.back(f.at)
		return fmt.Errorf("writing %s: %w", f.path, err)
	}
	f.at.Size += int64(count)
	return f.note()
}

func (f *follower) note() error {
	if f.source.file != nil {
		f.at.Source, f.at.Offset = f.source.inode, f.source.offset
	}
	return f.marks.write(f.at)
}

// reopen begins a new file: the kubelet has renamed the old one.
func (f *follower) reopen() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o640)
	if err != nil {
		return err
	}
	_ = f.target.Close()
	f.target = file
	return f.begin()
}

func (f *follower) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.source != nil {
		f.source.close()
	}
	if f.target != nil {
		_ = f.target.Close()
	}
	f.target = nil
	f.marks.close()
}
