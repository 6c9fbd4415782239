package console

import (
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Terminal is a terminal that others use, too. It is hung up whenever a session on it ends (tty(4), vhangup(2)), and who had it open
// before can write no more: so it is opened anew then.
type Terminal struct {
	path string
	mu   sync.Mutex // of file, which a writer may wait on without it
	file *os.File
}

// OpenTerminal opens a terminal for reading, and for writing by a goroutine of its own. No byte that comes in stops what goes out
// (XOFF), and a serial line without a carrier is no reason to wait.
func OpenTerminal(path string) (*Terminal, error) {
	file, err := open(path)
	if err != nil {
		return nil, err
	}
	return &Terminal{path: path, file: file}, nil
}

func open(path string) (*os.File, error) {
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_NOCTTY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	if settings, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil && settings.Iflag&unix.IXON != 0 {
		settings.Iflag &^= unix.IXON
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, settings)
	}
	if err := unix.SetNonblock(fd, false); err != nil { // a line is one write call
		return nil, &os.PathError{Op: "open", Path: path, Err: err}
	}
	return os.NewFile(uintptr(fd), path), nil
}

// File is the terminal as it is open now.
func (t *Terminal) File() *os.File {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.file
}

// Write writes, once more where the terminal was hung up.
func (t *Terminal) Write(data []byte) (int, error) {
	count, err := t.File().Write(data)
	if err == nil || t.Reopen() != nil {
		return count, err
	}
	return t.File().Write(data)
}

// Reopen opens it anew.
func (t *Terminal) Reopen() error {
	file, err := open(t.path)
	if err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	_ = t.file.Close()
	t.file = file
	return nil
}
