package bundle

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const cgroupRoot = "/sys/fs/cgroup"

// Preparer sets bundles up. Mounts inside a bundle last as long as its container; a mount elsewhere on the node is made once
// and stays, as other containers may use it. It is safe for use by several goroutines.
type Preparer struct {
	make func(mount specs.Mount, target string) (added bool, err error)
	mu   sync.Mutex
	node map[string]bool
}

// NewPreparer gives a preparer that has mounted nothing.
func NewPreparer() *Preparer { return &Preparer{make: makeMount, node: map[string]bool{}} }

// Prepare makes the bundle's mounts, then its folders, then its cgroups. The function it gives undoes the mounts inside the
// bundle; after an error they are undone already.
func (p *Preparer) Prepare(b *Bundle) (undo func() error, err error) {
	var mounted []string
	undo = func() error { return unmountAll(mounted) }
	for _, mount := range b.Runtime.Mounts {
		target := b.absolute(mount.Destination)
		if !isInside(target, b.Dir) {
			if err := p.once(target, mount); err != nil {
				return nil, errors.Join(err, undo())
			}
			continue
		}
		added, err := p.make(mount, target)
		if err != nil {
			return nil, errors.Join(err, undo())
		}
		if added {
			mounted = append(mounted, target)
		}
	}
	if err := b.makeDirs(); err != nil {
		return nil, errors.Join(err, undo())
	}
	return undo, nil
}

// once makes this mount on the node where it is asked for the first time. Whoever asks meanwhile waits until it is there.
func (p *Preparer) once(target string, mount specs.Mount) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := fmt.Sprintf("%s %+v", target, mount)
	if p.node[key] {
		return nil
	}
	if _, err := p.make(mount, target); err != nil {
		return err
	}
	p.node[key] = true
	return nil
}

func isInside(path, dir string) bool {
	return strings.HasPrefix(path, filepath.Clean(dir)+"/")
}

func makeMount(mount specs.Mount, target string) (added bool, err error) {
	for _, dir := range append([]string{target}, overlayDirs(mount)...) {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return false, err
		}
	}
	calls := plan(mount)
	return adds(calls), carryOut(calls, target)
}

func (b *Bundle) makeDirs() error {
	var dirs []string
	for _, dir := range b.Runtime.Mkdir {
		dirs = append(dirs, b.absolute(dir))
	}
	for _, cgroup := range b.Runtime.Cgroups {
		dirs = append(dirs, filepath.Join(cgroupRoot, cgroup))
	}
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	return nil
}

// unmountAll unmounts in reverse order. What is in use is taken out of sight and ends with its last user.
func unmountAll(targets []string) error {
	var failures []error
	for _, target := range slices.Backward(targets) {
		err := unix.Unmount(target, 0)
		if errors.Is(err, unix.EBUSY) {
			err = unix.Unmount(target, unix.MNT_DETACH)
		}
		if err != nil {
			failures = append(failures, fmt.Errorf("unmounting %s: %w", target, err))
		}
	}
	return errors.Join(failures...)
}
