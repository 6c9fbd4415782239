// Package stats measures containers by the files of their cgroup (version 2) and their processes. Docker's own numbers fail
// after its restart for containers whose network it did not make.
package stats

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Roots are where the kernel shows its files; tests have others.
type Roots struct{ Proc, Cgroup string }

// Host are the node's own.
var Host = Roots{"/proc", "/sys/fs/cgroup"}

// ErrNoCgroup tells of a process that is in no group of cgroup v2.
var ErrNoCgroup = errors.New("no cgroup of version 2")

// Group gives the folder of a process' cgroup.
func (r Roots) Group(pid int) (string, error) {
	text, err := os.ReadFile(filepath.Join(r.Proc, strconv.Itoa(pid), "cgroup"))
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(text)) {
		if path, found := strings.CutPrefix(strings.TrimSpace(line), "0::"); found && path != "/" {
			return filepath.Join(r.Cgroup, path), nil
		}
	}
	return "", fmt.Errorf("process %d: %w", pid, ErrNoCgroup)
}

// number reads a file with one number; 0 and false where there is none, or no limit ("max").
func number(dir, name string) (uint64, bool) {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return 0, false
	}
	value, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return value, err == nil
}

// table reads a file with a name and a number in each line.
func table(dir, name string) map[string]uint64 {
	found := map[string]uint64{}
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return found
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for lines.Scan() {
		if key, value, split := strings.Cut(lines.Text(), " "); split {
			found[key], _ = strconv.ParseUint(value, 10, 64)
		}
	}
	return found
}
