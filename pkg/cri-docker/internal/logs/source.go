package logs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"strconv"
)

const (
	chunkSize = 256 << 10
	// rotations is how many older files of Docker's are looked for: its setting max-file is far less.
	rotations = 16
)

// source reads Docker's file, and goes on with its successor once Docker has rotated it: PATH is then PATH.1, and so on.
type source struct {
	path   string
	file   *os.File
	inode  uint64
	offset int64
	buffer []byte
}

// openSource goes on where a mark says. Without a mark, or where that file is gone, it begins with the oldest that is there.
func openSource(path string, at mark) (*source, error) {
	found := &source{path: path}
	for number := range rotations {
		if at.Source != 0 && inodeAt(found.name(number)) == at.Source {
			return found, found.open(number, at.Offset)
		}
	}
	return found, found.open(found.oldest(), 0)
}

func (s *source) name(number int) string {
	if number == 0 {
		return s.path
	}
	return s.path + "." + strconv.Itoa(number)
}

// oldest gives the highest number of a file that is there.
func (s *source) oldest() int {
	for number := rotations - 1; number > 0; number-- {
		if inodeAt(s.name(number)) != 0 {
			return number
		}
	}
	return 0
}

// open takes a file in the present one's place; one that is not there yet is no error.
func (s *source) open(number int, offset int64) error {
	file, err := os.Open(s.name(number))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	s.close()
	s.file, s.inode, s.offset = file, inode(file), offset
	return nil
}

// back returns to a mark in the file that is read; what was read since is read again.
func (s *source) back(at mark) {
	if s.inode == at.Source {
		s.offset = at.Offset
		return
	}
	s.offset = 0
}

func (s *source) close() {
	if s.file != nil {
		_ = s.file.Close()
	}
}

// next gives lines as CRI has them; more is false when there is nothing left to read for now.
func (s *source) next() (lines []byte, more bool, err error) {
	for {
		lines, moved, err := s.read()
		if err != nil || moved {
			return lines, moved, err
		}
		rotated, err := s.follow()
		if err != nil || !rotated {
			return nil, false, err
		}
	}
}

// read gives the lines of the next chunk; moved is false at the end of the file, and before it is there.
func (s *source) read() (lines []byte, moved bool, err error) {
	if s.file == nil {
		return nil, false, nil
	}
	size := chunkSize
	for {
		if len(s.buffer) < size {
			s.buffer = make([]byte, size)
		}
		count, err := s.file.ReadAt(s.buffer[:size], s.offset)
		if err != nil && err != io.EOF {
			return nil, false, err
		}
		lines, used := convert(s.buffer[:count])
		if used > 0 || count < size {
			s.offset += int64(used)
			return lines, used > 0, nil
		}
		size *= 2 // a line longer than the buffer
	}
}

// follow goes on with the file after the present one, if Docker has begun one and nothing more is in the present one.
func (s *source) follow() (bool, error) {
	if s.file != nil && inodeAt(s.path) == s.inode {
		return false, nil
	}
	if s.file != nil && s.grown() {
		return true, nil // it was written to between the last read and the rotation
	}
	before := s.inode
	err := s.open(s.successor(), 0)
	return s.inode != before, err
}

// grown says whether whole lines came after the last read. Docker never writes to a file again that it has rotated.
func (s *source) grown() bool {
	rest, _ := io.ReadAll(io.NewSectionReader(s.file, s.offset, 1<<30))
	return bytes.IndexByte(rest, '\n') >= 0
}

// successor gives the number of the file that was begun after the present one.
func (s *source) successor() int {
	for number := 1; s.file != nil && number < rotations; number++ {
		if inodeAt(s.name(number)) == s.inode {
			return number - 1
		}
	}
	return s.oldest()
}
