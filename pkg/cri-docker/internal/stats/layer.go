package stats

import (
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// layerAge is how long the size of a container's own files counts: to count them again reads all their folders.
const layerAge = 30 * time.Second

type size struct {
	at            time.Time
	dir           string
	bytes, inodes uint64
}

// Layer gives what a container has written to its root; nil where that can't be told.
func (m *Meter) Layer(id string, pid int) *runtime.FilesystemUsage {
	m.mu.Lock()
	known, found := m.sizes[id]
	m.mu.Unlock()
	if !found || m.now().Sub(known.at) > layerAge {
		known = m.count(pid, known.dir)
		m.mu.Lock()
		m.sizes[id] = known
		m.mu.Unlock()
	}
	if known.dir == "" {
		return nil
	}
	return &runtime.FilesystemUsage{
		Timestamp: known.at.UnixNano(), FsId: &runtime.FilesystemIdentifier{Mountpoint: known.dir},
		UsedBytes: value(known.bytes), InodesUsed: value(known.inodes),
	}
}

func (m *Meter) count(pid int, dir string) size {
	if dir == "" {
		dir = m.roots.upper(pid)
	}
	counted := size{at: m.now(), dir: dir}
	if dir == "" {
		return counted
	}
	_ = filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil {
			return nil // it was removed meanwhile
		}
		if info, err := entry.Info(); err == nil {
			counted.inodes++
			if stat, ok := info.Sys().(*syscall.Stat_t); ok {
				counted.bytes += uint64(stat.Blocks) * 512
			}
		}
		return nil
	})
	return counted
}

// upper gives the folder that has what a process' root has of its own, from overlayfs' options; empty where it is no overlay.
func (r Roots) upper(pid int) string {
	text, err := os.ReadFile(filepath.Join(r.Proc, strconv.Itoa(pid), "mountinfo"))
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) < 5 || fields[4] != "/" {
			continue
		}
		for option := range strings.SplitSeq(fields[len(fields)-1], ",") {
			if dir, found := strings.CutPrefix(option, "upperdir="); found {
				return dir
			}
		}
	}
	return ""
}
