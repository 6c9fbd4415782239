package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	// longest is how much of a line goes into one message, in bytes; the rest follows in further ones.
	longest = 64 << 10
	// batch is how much of one log is read at once, in bytes, so that no other one waits long.
	batch         = 256 << 10
	positionsFile = "positions.json"
)

// earlier are what follows a log's name after it was begun anew: by the node's own logs, and by syslogd.
var earlier = []string{".1", ".0"}

// place is the next byte of a log that is to be sent.
type place struct {
	File   file  `json:"file"`
	Offset int64 `json:"offset"`
}

// line is one to be sent. after is the place behind it; lost says why lines before it are not there.
type line struct {
	log, text, lost string
	path            string
	after           place
}

// logs are the files of a folder. read is how far they were read, sent how far they are known to have arrived.
type logs struct {
	folder, state string
	read, sent    map[string]place
}

// newLogs begins where an earlier process came to; without word of one, with the first line of each log.
func newLogs(folder, state string) *logs {
	made := &logs{folder: folder, state: state, sent: map[string]place{}}
	text, err := os.ReadFile(filepath.Join(state, positionsFile))
	if err == nil {
		_ = json.Unmarshal(text, &made.sent) // one that is torn is as good as none: lines come twice
	}
	if made.sent == nil {
		made.sent = map[string]place{}
	}
	made.rewind()
	return made
}

// rewind reads again what is not known to have arrived.
func (l *logs) rewind() {
	l.read = map[string]place{}
	for path, at := range l.sent {
		l.read[path] = at
	}
}

// arrived notes that a line, and all before it in its log, need not be sent again.
func (l *logs) arrived(path string, after place) { l.sent[path] = after }

// save keeps how far lines have arrived, aside and renamed. It forgets logs that are gone.
func (l *logs) save() error {
	kept := map[string]place{}
	for path, at := range l.sent {
		if _, err := os.Stat(filepath.Join(l.folder, path)); err == nil {
			kept[path] = at
		}
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(l.state, 0o700); err != nil {
		return err
	}
	target := filepath.Join(l.state, positionsFile)
	if err := os.WriteFile(target+".new", text, 0o600); err != nil {
		return err
	}
	return os.Rename(target+".new", target)
}

// names are the logs that there are, by their paths below the folder.
func (l *logs) names() []string {
	var found []string
	for _, pattern := range []string{"*.log", "messages"} {
		paths, _ := filepath.Glob(filepath.Join(l.folder, pattern))
		for _, path := range paths {
			found = append(found, filepath.Base(path))
		}
	}
	slices.Sort(found)
	return found
}

// next reads what came to the logs since, a batch of each at most.
func (l *logs) next() []line {
	var found []line
	for _, name := range l.names() {
		found = append(found, l.ofLog(name)...)
	}
	return found
}

func (l *logs) ofLog(name string) []line {
	at, known := l.read[name]
	now, size, err := identity(filepath.Join(l.folder, name))
	if err != nil {
		return nil
	}
	if known && at.File != now {
		return l.begunAnew(name, at, now)
	}
	if size < at.Offset { // cut short, by whoever it was
		at.Offset = 0
	}
	at.File = now
	return l.lines(filepath.Join(l.folder, name), name, at, false)
}

// begunAnew reads the rest of a log that has another name by now, and then the new one.
func (l *logs) begunAnew(name string, at place, now file) []line {
	fresh := place{File: now}
	for _, suffix := range earlier {
		path := filepath.Join(l.folder, name+suffix)
		if is, _, err := identity(path); err == nil && is == at.File {
			if rest := l.lines(path, name, at, true); len(rest) > 0 {
				return rest
			}
			l.read[name] = fresh
			return l.ofLog(name)
		}
	}
	l.read[name] = fresh
	lost := line{log: title(name), lost: "the log was begun anew twice before its lines could be sent", path: name, after: fresh}
	return append([]line{lost}, l.ofLog(name)...)
}

// lines reads whole lines from a place on. ended: nothing more comes to the file, so that its last line may lack an end.
func (l *logs) lines(path, name string, at place, ended bool) []line {
	file, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer file.Close()
	text := make([]byte, batch)
	count, err := file.ReadAt(text, at.Offset)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil
	}
	var found []line
	for text = text[:count]; len(text) > 0; {
		length := bytes.IndexByte(text, '\n') + 1
		switch {
		case length > longest, length == 0 && len(text) >= longest:
			length = longest
		case length == 0 && (!ended || count == batch):
			text = nil
			continue
		case length == 0:
			length = len(text)
		}
		at.Offset += int64(length)
		found = append(found, line{log: title(name), text: strings.TrimRight(string(text[:length]), "\r\n"), path: name, after: at})
		text = text[length:]
	}
	l.read[name] = at
	return found
}

// title is a log's name without what all have.
func title(name string) string { return strings.TrimSuffix(name, ".log") }

// file tells one file from all others that have, had or will have its name: its number is given to another once it is removed.
type file struct {
	Inode uint64 `json:"inode"`
	Born  int64  `json:"born"` // nanoseconds since 1970
}

func identity(path string) (is file, size int64, err error) {
	var found unix.Statx_t
	if err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_INO|unix.STATX_SIZE|unix.STATX_BTIME, &found); err != nil {
		return file{}, 0, err
	}
	return file{found.Ino, found.Btime.Sec*1e9 + int64(found.Btime.Nsec)}, int64(found.Size), nil
}
