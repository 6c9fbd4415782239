// Package system sets up what the kernel leaves to the first process: mounts, modules, clock, names, limits.
package system

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	safe    = unix.MS_NODEV | unix.MS_NOSUID | unix.MS_NOEXEC
	noTimes = unix.MS_RELATIME
)

// mount is one file system to mount. One that is optional depends on the kernel and the machine.
type mount struct {
	kind, target string
	flags        uintptr
	data         string
	optional     bool
}

// mounts are LinuxKit's, in its order, but for one: /var has no noexec, which pods would inherit in their volumes.
var mounts = []mount{
	{"proc", "/proc", safe | noTimes, "", false},
	{"tmpfs", "/run", safe | noTimes, "size=10%,mode=755", false},
	{"tmpfs", "/tmp", safe | noTimes, "size=10%,mode=1777", false},
	{"tmpfs", "/var", unix.MS_NODEV | unix.MS_NOSUID | noTimes, "size=50%,mode=755", false},
	{"devtmpfs", "/dev", unix.MS_NOSUID | unix.MS_NOEXEC | noTimes, "mode=755", false},
	{"mqueue", "/dev/mqueue", safe, "", true},
	{"tmpfs", "/dev/shm", safe, "mode=1777", false},
	{"devpts", "/dev/pts", unix.MS_NOSUID | unix.MS_NOEXEC, "gid=5,mode=0620", false},
	{"sysfs", "/sys", safe, "", false},
	{"securityfs", "/sys/kernel/security", safe, "", true},
	{"debugfs", "/sys/kernel/debug", safe, "", true},
	{"configfs", "/sys/kernel/config", safe, "", true},
	{"fusectl", "/sys/fs/fuse/connections", safe, "", true},
	{"selinuxfs", "/sys/fs/selinux", unix.MS_NOSUID | unix.MS_NOEXEC, "", true},
	{"pstore", "/sys/fs/pstore", safe, "", true},
	{"bpf", "/sys/fs/bpf", unix.MS_NODEV, "", true},
	{"efivarfs", "/sys/firmware/efi/efivars", safe, "", true},
	{"binfmt_misc", "/proc/sys/fs/binfmt_misc", safe, "", true},
	{"cgroup2", cgroupDir, safe, "", false},
}

// device is a character device that a kernel without devtmpfs entries would lack.
type device struct {
	path         string
	mode         uint32
	major, minor uint32
}

var devices = []device{
	{"/dev/console", 0o600, 5, 1}, {"/dev/tty1", 0o620, 4, 1}, {"/dev/tty", 0o666, 5, 0},
	{"/dev/null", 0o666, 1, 3}, {"/dev/kmsg", 0o660, 1, 11},
}

var deviceLinks = map[string]string{
	"/dev/fd": "/proc/self/fd", "/dev/stdin": "/proc/self/fd/0", "/dev/stdout": "/proc/self/fd/1",
	"/dev/stderr": "/proc/self/fd/2", "/dev/kcore": "/proc/kcore",
}

// MountAll mounts everything, fills /dev and /var, enables the cgroup controllers and makes every mount shared, so that
// what one container mounts on the node another one sees.
func MountAll() error {
	_ = unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
	for _, each := range mounts {
		if err := each.do(); err != nil && !each.optional {
			return err
		}
	}
	makeDevices()
	if err := FillVar("/var"); err != nil {
		return err
	}
	if err := enableControllers(cgroupDir); err != nil {
		return err
	}
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("making the mounts shared: %w", err)
	}
	return os.MkdirAll(StateDir, 0o700)
}

// StateDir is init's own folder.
const StateDir = "/run/kubeiso"

// do mounts; what is mounted already is no error. Mount points below /dev are made.
func (m mount) do() error {
	if strings.HasPrefix(m.target, "/dev/") {
		_ = os.Mkdir(m.target, 0o755)
	}
	err := unix.Mount(m.kind, m.target, m.kind, m.flags, m.data)
	if err != nil && !errors.Is(err, unix.EBUSY) {
		return fmt.Errorf("mounting %s: %w", m.target, err)
	}
	return nil
}

// makeDevices adds what devtmpfs may lack; it usually has all devices, so errors say nothing.
func makeDevices() {
	for _, each := range devices {
		_ = unix.Mknod(each.path, unix.S_IFCHR|each.mode, int(unix.Mkdev(each.major, each.minor)))
	}
	for path, target := range deviceLinks {
		_ = os.Symlink(target, path)
	}
}

// FillVar makes the standard folders in dir, the node's /var. It may be called again when a disk was mounted there.
func FillVar(dir string) error {
	modes := map[string]os.FileMode{
		"cache": 0o755, "empty": 0o555, "lib": 0o755, "local": 0o755, "lock": 0o755, "log": 0o755, "opt": 0o755,
		"spool": 0o755, "tmp": 0o777 | os.ModeSticky,
	}
	for name, mode := range modes {
		path := filepath.Join(dir, name)
		if err := os.Mkdir(path, mode); errors.Is(err, os.ErrExist) {
			continue
		} else if err != nil {
			return err
		}
		if err := os.Chmod(path, mode); err != nil {
			return err
		}
	}
	if err := os.Symlink("/run", filepath.Join(dir, "run")); err != nil && !errors.Is(err, os.ErrExist) {
		return err
	}
	return nil
}
