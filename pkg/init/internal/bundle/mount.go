package bundle

import (
	"fmt"
	"strings"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// flag is what an option of fstab(5) or mount(8) does to the flags of mount(2).
type flag struct {
	clear bool
	bits  uintptr
}

var flags = map[string]flag{
	"async": {true, unix.MS_SYNCHRONOUS}, "sync": {false, unix.MS_SYNCHRONOUS},
	"atime": {true, unix.MS_NOATIME}, "noatime": {false, unix.MS_NOATIME},
	"dev": {true, unix.MS_NODEV}, "nodev": {false, unix.MS_NODEV},
	"diratime": {true, unix.MS_NODIRATIME}, "nodiratime": {false, unix.MS_NODIRATIME},
	"exec": {true, unix.MS_NOEXEC}, "noexec": {false, unix.MS_NOEXEC},
	"relatime": {false, unix.MS_RELATIME}, "norelatime": {true, unix.MS_RELATIME},
	"strictatime": {false, unix.MS_STRICTATIME}, "nostrictatime": {true, unix.MS_STRICTATIME},
	"suid": {true, unix.MS_NOSUID}, "nosuid": {false, unix.MS_NOSUID},
	"rw": {true, unix.MS_RDONLY}, "ro": {false, unix.MS_RDONLY},
	"dirsync": {false, unix.MS_DIRSYNC}, "defaults": {false, 0},
	"bind": {false, unix.MS_BIND}, "rbind": {false, unix.MS_BIND | unix.MS_REC},
	"remount": {false, unix.MS_REMOUNT},
}

// propagations are options that mount(2) takes alone, without any other.
var propagations = map[string]uintptr{
	"private": unix.MS_PRIVATE, "rprivate": unix.MS_PRIVATE | unix.MS_REC,
	"shared": unix.MS_SHARED, "rshared": unix.MS_SHARED | unix.MS_REC,
	"slave": unix.MS_SLAVE, "rslave": unix.MS_SLAVE | unix.MS_REC,
	"unbindable": unix.MS_UNBINDABLE, "runbindable": unix.MS_UNBINDABLE | unix.MS_REC,
}

// call is one call of mount(2) on a known target.
type call struct {
	source, kind string
	flags        uintptr
	data         string
}

// options is a mount's list of options, sorted out.
type options struct {
	flags       uintptr
	data        []string
	propagation []uintptr
	plain       bool // there is an option that is no propagation
}

func sortOptions(list []string) options {
	var sorted options
	for _, option := range list {
		if propagation, found := propagations[option]; found {
			sorted.propagation = append(sorted.propagation, propagation)
			continue
		}
		if option != "remount" {
			sorted.plain = true
		}
		switch found, known := flags[option]; {
		case !known:
			sorted.data = append(sorted.data, option)
		case found.clear:
			sorted.flags &^= found.bits
		default:
			sorted.flags |= found.bits
		}
	}
	return sorted
}

// plan gives the calls that make a mount. mount(2) does one thing at a time: a bind takes no other flags, which a remount of
// it then sets, and a propagation is set on what is mounted already.
func plan(mount specs.Mount) []call {
	sorted := sortOptions(mount.Options)
	data := strings.Join(sorted.data, ",")
	bind := sorted.flags & (unix.MS_BIND | unix.MS_REC)
	rest := sorted.flags &^ bind
	var calls []call
	switch {
	case bind != 0 && rest&unix.MS_REMOUNT == 0:
		calls = append(calls, call{source: mount.Source, flags: bind})
		if rest != 0 {
			calls = append(calls, call{flags: rest | unix.MS_BIND | unix.MS_REMOUNT})
		}
	case rest&unix.MS_REMOUNT != 0:
		if sorted.plain {
			calls = append(calls, call{source: mount.Source, flags: sorted.flags, data: data})
		}
	case mount.Type != "":
		calls = append(calls, call{mount.Source, mount.Type, sorted.flags, data})
	}
	for _, propagation := range sorted.propagation {
		calls = append(calls, call{flags: propagation})
	}
	return calls
}

// adds says whether the calls put a new mount on the target, rather than changing one.
func adds(calls []call) bool {
	return len(calls) > 0 && (calls[0].kind != "" || calls[0].flags&(unix.MS_BIND|unix.MS_REMOUNT) == unix.MS_BIND)
}

// carryOut makes the calls on target.
func carryOut(calls []call, target string) error {
	for _, each := range calls {
		if err := unix.Mount(each.source, target, each.kind, each.flags, each.data); err != nil {
			return fmt.Errorf("mounting %s %s on %s: %w", each.kind, each.source, target, err)
		}
	}
	return nil
}

// overlayDirs gives the folders that an overlay needs and nobody else makes.
func overlayDirs(mount specs.Mount) []string {
	var dirs []string
	for _, option := range mount.Options {
		key, path, _ := strings.Cut(option, "=")
		if key == "upperdir" || key == "workdir" {
			dirs = append(dirs, path)
		}
	}
	return dirs
}
