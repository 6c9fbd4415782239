package logs

import (
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// mark says how far a log is copied: to Offset of Docker's file with the inode Source, when CRI's with the inode Target had Size
// bytes. What a later size has beyond was written by a server that was killed before it wrote this down.
type mark struct {
	Source uint64
	Offset int64
	Target uint64
	Size   int64
}

const markForm = "%020d %020d %020d %020d\n"

// markFile is the file with a log's mark. It is overwritten in place, by one write of always the same length.
type markFile struct{ file *os.File }

func openMark(path string) (markFile, mark, error) {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return markFile{}, mark{}, err
	}
	var read mark
	text := make([]byte, 84)
	count, _ := file.ReadAt(text, 0)
	if _, err := fmt.Sscanf(string(text[:count]), markForm, &read.Source, &read.Offset, &read.Target, &read.Size); err != nil {
		read = mark{}
	}
	return markFile{file}, read, nil
}

func (m markFile) write(now mark) error {
	_, err := m.file.WriteAt(fmt.Appendf(nil, markForm, now.Source, now.Offset, now.Target, now.Size), 0)
	return err
}

func (m markFile) close() { _ = m.file.Close() }

// inode gives a file's number; 0 where it can't be told.
func inode(file *os.File) uint64 {
	var stat unix.Stat_t
	if unix.Fstat(int(file.Fd()), &stat) != nil {
		return 0
	}
	return stat.Ino
}

// inodeAt gives the number of the file at a path; 0 where there is none.
func inodeAt(path string) uint64 {
	var stat unix.Stat_t
	if unix.Stat(path, &stat) != nil {
		return 0
	}
	return stat.Ino
}
