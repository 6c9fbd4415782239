package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// kernelFilesystems are what this program itself needs.
var kernelFilesystems = []struct {
	kind, target string
	flags        uintptr
}{
	{"devtmpfs", "/dev", unix.MS_NOSUID | unix.MS_NOEXEC},
	{"proc", "/proc", unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV},
	{"sysfs", "/sys", unix.MS_NOSUID | unix.MS_NOEXEC | unix.MS_NODEV},
}

func mountKernelFilesystems() error {
	for _, mount := range kernelFilesystems {
		if err := os.MkdirAll(mount.target, 0o755); err != nil {
			return err
		}
		if err := unix.Mount(mount.kind, mount.target, mount.kind, mount.flags, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", mount.target, err)
		}
	}
	return nil
}

// chooseInit gives the path, seen from the new root, of the program to go on with: the one asked for, or the first that
// is there. A symbolic link counts as being there; it may be absolute.
func chooseInit(asked string) (string, error) {
	candidates := []string{"/sbin/init", "/init"}
	if asked != "" {
		candidates = []string{filepath.Clean("/" + asked)}
	}
	for _, path := range candidates {
		if _, err := os.Lstat(filepath.Join(rootDir, path)); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("the root has no %v", candidates)
}

// readable reads the program to its end: where its blocks are damaged, that is better known before the kernel runs it as its first
// process and dies with it.
func readable(program string) error {
	root, err := os.Open(rootDir)
	if err != nil {
		return err
	}
	defer root.Close()
	how := &unix.OpenHow{Flags: unix.O_RDONLY | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT}
	file, err := unix.Openat2(int(root.Fd()), program, how)
	if err != nil {
		return fmt.Errorf("opening %s: %w", program, err)
	}
	opened := os.NewFile(uintptr(file), program)
	defer opened.Close()
	_, err = io.Copy(io.Discard, opened)
	return err
}

// switchRoot frees the initramfs, makes rootDir the root and becomes init. It returns only with an error.
func switchRoot(init string) error {
	if err := leaveKernelFilesystems(); err != nil {
		return err
	}
	if err := os.Chdir(rootDir); err != nil {
		return err
	}
	if err := emptyInitramfs(); err != nil {
		return err
	}
	if err := unix.Mount(".", "/", "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("moving the root: %w", err)
	}
	if err := unix.Chroot("."); err != nil {
		return fmt.Errorf("entering the root: %w", err)
	}
	if err := os.Chdir("/"); err != nil {
		return err
	}
	return fmt.Errorf("starting %s: %w", init, unix.Exec(init, append([]string{init}, os.Args[1:]...), os.Environ()))
}

// leaveKernelFilesystems takes /dev along, so that the root has its devices even if init does not mount them, and lets go
// of /proc and /sys: an init tells by /proc whether it starts a machine or a container.
func leaveKernelFilesystems() error {
	if err := unix.Mount("/dev", filepath.Join(rootDir, "dev"), "", unix.MS_MOVE, ""); err != nil {
		return fmt.Errorf("moving /dev: %w", err)
	}
	for _, path := range []string{"/proc", "/sys"} {
		if err := unix.Unmount(path, unix.MNT_DETACH); err != nil {
			return fmt.Errorf("leaving %s: %w", path, err)
		}
	}
	return nil
}

// emptyInitramfs deletes the files in memory, but only if the root really is the initramfs. What is mounted stays.
func emptyInitramfs() error {
	var root unix.Statfs_t
	if err := unix.Statfs("/", &root); err != nil {
		return err
	}
	if root.Type != unix.RAMFS_MAGIC && root.Type != unix.TMPFS_MAGIC {
		return fmt.Errorf("the first root is no initramfs (type %#x)", root.Type)
	}
	var stat unix.Stat_t
	if err := unix.Lstat("/", &stat); err != nil {
		return err
	}
	removeTree("/", stat.Dev)
	return nil
}

// removeTree deletes all below dir that is on device. What cannot be deleted only costs memory.
func removeTree(dir string, device uint64) {
	entries, _ := os.ReadDir(dir)
	for _, entry := range entries {
		path := filepath.Join(dir, entry.Name())
		var stat unix.Stat_t
		if err := unix.Lstat(path, &stat); err != nil || stat.Dev != device {
			continue
		}
		if entry.IsDir() {
			removeTree(path, device)
		}
		_ = os.Remove(path)
	}
}
