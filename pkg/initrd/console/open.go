package console

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	devices = "/dev"
	// active has the names of the consoles that the kernel writes to: each console= of its command line that is there.
	active = "/sys/class/tty/console/active"
	system = "console"
)

// Open gives the consoles that the kernel writes to, and makes /dev/console, which is one of them, the process's standard input,
// output and error. A machine without a console is no error: then all goes to the standard output it was started with.
func Open() *Console {
	standard, _ := unix.Open(filepath.Join(devices, system), unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if standard >= 0 {
		for fd := range 3 {
			_ = unix.Dup3(standard, fd, 0)
		}
		_ = unix.Close(standard)
	}
	listed, _ := os.ReadFile(active)
	made := &Console{outputs: map[string]sink{}}
	for _, name := range append(strings.Fields(string(listed)), system) {
		if name == system && len(made.outputs) > 0 {
			continue // it is one of those
		}
		if file, err := OpenTerminal(filepath.Join(devices, name)); err == nil {
			made.outputs[name] = newQueue(file)
		}
	}
	if len(made.outputs) == 0 {
		return New(os.Stdout)
	}
	return made
}

// Has says whether the kernel writes to the console of that name.
func (c *Console) Has(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.outputs[name] != nil
}

// Move lets what goes to one console go to another terminal of the machine from now on.
func (c *Console) Move(name, terminal string) error {
	file, err := OpenTerminal(filepath.Join(devices, terminal))
	if err != nil {
		return err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.outputs, name)
	c.outputs[terminal] = newQueue(file)
	return nil
}
