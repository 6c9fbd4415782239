package kmod

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// Loader loads modules of one kernel. It is safe for use by several goroutines.
type Loader struct {
	index   *Index
	options *Options
	insert  func(path, parameters string) error

	mu      sync.Mutex
	tried   map[string]error
	plugged map[string]bool
	loaded  int
}

// ErrNotFound says that the index has no module of a name; the kernel may have it built in.
var ErrNotFound = errors.New("no such module")

// NewLoader gives a loader for the running kernel. The folders are those of the root in use.
func NewLoader(cmdline string) (*Loader, error) {
	var kernel unix.Utsname
	if err := unix.Uname(&kernel); err != nil {
		return nil, fmt.Errorf("asking for the kernel's release: %w", err)
	}
	dir := filepath.Join("/lib/modules", unix.ByteSliceToString(kernel.Release[:]))
	index, err := ReadIndex(dir)
	if err != nil {
		return nil, err
	}
	options, err := ReadOptions("/etc/modprobe.d", cmdline)
	if err != nil {
		return nil, err
	}
	insert := func(path, parameters string) error { return insertFile(filepath.Join(dir, path), parameters) }
	return newLoader(index, options, insert), nil
}

func newLoader(index *Index, options *Options, insert func(path, parameters string) error) *Loader {
	return &Loader{index: index, options: options, insert: insert, tried: map[string]error{}, plugged: map[string]bool{}}
}

// Loaded is how many modules this loader put into the kernel.
func (l *Loader) Loaded() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.loaded
}

// Load loads a module, named by its name or an alias, after all that it needs. A module that is loaded already is no
// error; ErrNotFound tells that the index has none.
func (l *Loader) Load(name string) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.loadAll(name, func(string) bool { return true })
}

// Plug loads the modules for a device, each modalias once. Most devices have none, so nothing is an error here, and a
// module that does not want the device says so to the kernel's log.
func (l *Loader) Plug(modalias string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.plugged[modalias] {
		return
	}
	l.plugged[modalias] = true
	_ = l.loadAll(modalias, func(name string) bool { return !l.options.Denied(name) })
}

// Coldplug plugs every device that the kernel shows under sysfs (its mount point) now.
func (l *Loader) Coldplug(sysfs string) { l.plugAll(sysfs, deviceFiles) }

// ColdplugProcessor plugs the processor: what speeds up ciphers, and virtual machines. No device waits for that, and KVM takes a
// second or two on an emulated processor.
func (l *Loader) ColdplugProcessor(sysfs string) { l.plugAll(sysfs, processorFiles) }

func (l *Loader) plugAll(sysfs string, files []string) {
	for _, modalias := range modaliases(sysfs, files) {
		l.Plug(modalias)
	}
}

func (l *Loader) loadAll(name string, allowed func(name string) bool) error {
	modules := l.index.resolve(name)
	if len(modules) == 0 {
		return fmt.Errorf("%s: %w", name, ErrNotFound)
	}
	var failures []error
	for _, found := range modules {
		if allowed(found) {
			failures = append(failures, l.load(found))
		}
	}
	return errors.Join(failures...)
}

// load inserts one module of the index after its dependencies, and what is wanted beside it. The first result counts.
func (l *Loader) load(name string) error {
	if err, done := l.tried[name]; done {
		return err
	}
	l.tried[name] = nil // a circle of soft dependencies ends here
	l.loadWanted(l.index.soft[name].pre)
	entry := l.index.modules[name]
	for _, path := range entry.before {
		if err := l.load(nameOf(path)); err != nil {
			l.tried[name] = err
			return err
		}
	}
	l.tried[name] = l.put(name, entry.path)
	l.loadWanted(l.index.soft[name].post)
	return l.tried[name]
}

func (l *Loader) loadWanted(names []string) {
	for _, name := range names {
		for _, found := range l.index.resolve(name) {
			_ = l.load(found)
		}
	}
}

// put hands one file to the kernel.
func (l *Loader) put(name, path string) error {
	err := l.insert(path, l.options.Parameters(name))
	switch {
	case err == nil:
		l.loaded++
		return nil
	case errors.Is(err, unix.EEXIST):
		return nil
	}
	return fmt.Errorf("module %s: %w", name, err)
}

// insertFile gives a module's file to the kernel, which unpacks a compressed one itself.
func insertFile(path, parameters string) error {
	if _, err := os.Stat("/sys/module/" + nameOf(path)); err == nil {
		return unix.EEXIST
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	flags := 0
	if !strings.HasSuffix(path, ".ko") {
		flags = unix.MODULE_INIT_COMPRESSED_FILE
	}
	return unix.FinitModule(int(file.Fd()), parameters, flags)
}

// Where the kernel shows modaliases: those of devices on a bus, of those that have only a class (input devices), and of the processor's
// features.
var (
	deviceFiles    = []string{"bus/*/devices/*/modalias", "class/*/*/modalias"}
	processorFiles = []string{"devices/system/cpu/modalias"}
)

// modaliases lists those that the files below sysfs have.
func modaliases(sysfs string, patterns []string) []string {
	var found []string
	for _, pattern := range patterns {
		files, _ := filepath.Glob(filepath.Join(sysfs, pattern))
		for _, file := range files {
			text, err := os.ReadFile(file)
			if alias := strings.TrimSpace(string(text)); err == nil && alias != "" {
				found = append(found, alias)
			}
		}
	}
	return found
}
