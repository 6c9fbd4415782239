package main

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// spare is how much larger than its file system, in bytes, a device has to be before the file system is grown: mke2fs itself
// leaves a little over where the last group of blocks would be too small.
const spare = 64 << 20

// fullPart: a disk with less than a twentieth of it free is told to be full.
const fullPart = 20

// The result of e2fsck is a sum of these: e2fsck(8).
const (
	fsckMended = 1
	fsckReboot = 2
)

// mountFlags are those that init's own /var has, without the writes of access times.
const mountFlags = unix.MS_NODEV | unix.MS_NOSUID | unix.MS_NOATIME

// mountData: the rest is ext4's default, which is what etcd's fsync relies on (data in order, barriers). A disk that fails is
// not written any further.
const mountData = "errors=remount-ro"

// system is what the node does for this program.
type system struct {
	// run runs a program and gives its exit code; the error is for one that did not run.
	run func(argv ...string) (int, error)
	// feed is run with that on the program's standard input.
	feed func(input string, argv ...string) (int, error)
	// mount mounts a device, unmount takes it away again.
	mount   func(device, target, kind string, flags uintptr, data string) error
	unmount func(target string) error
	// measure gives how much room a mounted file system has.
	measure func(target string) (space, error)
}

// kernel is the real system. What programs write goes to out; tell hears of each that is still at work, every so often.
func kernel(out io.Writer, tell func(text string), often time.Duration) system {
	feed := func(input string, argv ...string) (int, error) {
		command := exec.Command(argv[0], argv[1:]...)
		command.Stdin, command.Stdout, command.Stderr = strings.NewReader(input), out, out
		defer reporting(strings.Join(argv, " "), tell, often)()
		err := command.Run()
		if command.ProcessState == nil {
			return 0, err
		}
		return command.ProcessState.ExitCode(), nil
	}
	return system{
		run:     func(argv ...string) (int, error) { return feed("", argv...) },
		feed:    feed,
		mount:   unix.Mount,
		unmount: func(target string) error { return unix.Unmount(target, 0) },
		measure: measured,
	}
}

// space is a file system's room in bytes: what is left of it, what root has left besides, and all of it.
type space struct{ left, bare, all int64 }

func measured(target string) (space, error) {
	var about unix.Statfs_t
	err := unix.Statfs(target, &about)
	return space{int64(about.Bavail) * about.Bsize, int64(about.Bfree) * about.Bsize, int64(about.Blocks) * about.Bsize}, err
}

// reporting tells every so often that something is still at work, until what it gives is called: a check of a large disk, or of one
// that fails, takes its time.
func reporting(what string, tell func(text string), often time.Duration) (stop func()) {
	ended, begin := make(chan struct{}), time.Now()
	go func() {
		for {
			select {
			case <-ended:
				return
			case <-time.After(often):
				tell(fmt.Sprintf("%s: at work for %.0f s", what, time.Since(begin).Seconds()))
			}
		}
	}()
	return func() { close(ended) }
}

// put checks the disk, mounts it on target and grows it; one whose content the medium must not go on with is taken away again
// before anything else. With repair, all that is broken is mended, at the price of what cannot be saved. What it gives is a remark
// for people, or nothing.
func (s system) put(disk *finding, target string, wanted wish, now release) (remark string, err error) {
	if disk.size < disk.content.size {
		return "", fmt.Errorf("%s has %d MiB, but its file system %d MiB: a part of it was cut off\n"+
			"next: give the disk its size back, or %s", disk.path, disk.size>>20, disk.content.size>>20, wanted.wayOut())
	}
	if err := s.check(disk.path, wanted); err != nil {
		return "", err
	}
	if err := s.mount(disk.path, target, "ext4", mountFlags, mountData); err != nil {
		return "", fmt.Errorf("%s can't be mounted on %s: %w\nnext: %s", disk.path, target, err, wanted.wayOut())
	}
	if remark, err = accept(target, now); err != nil {
		return "", errors.Join(err, s.unmount(target))
	}
	if disk.size-disk.content.size < spare {
		return remark, nil
	}
	code, err := s.run("resize2fs", disk.path) // a mounted file system grows without a check of all of it
	if err != nil || code != 0 {
		return fmt.Sprintf("%s, but was not grown to the disk's %d MiB (see the step's log)", remark, disk.size>>20), nil
	}
	return fmt.Sprintf("%s, grown to %d MiB", remark, disk.size>>20), nil
}

// check runs e2fsck, which replays the journal after a power cut.
func (s system) check(device string, wanted wish) error {
	mode := "-p"
	if wanted.repair {
		mode = "-y"
	}
	code, err := s.run("e2fsck", mode, device)
	switch {
	case err != nil:
		return fmt.Errorf("e2fsck did not run: %w", err)
	case code&^(fsckMended|fsckReboot) != 0 && wanted.repair:
		return fmt.Errorf("e2fsck could not mend %s (exit code %d)\nnext: replace the disk, or %s", device, code, wanted.wayOut())
	case code&^(fsckMended|fsckReboot) != 0:
		return fmt.Errorf("%s has faults that e2fsck does not mend unasked (exit code %d)\n"+
			"next: start once with %s=%s on the kernel's command line, which mends what can be mended; or look at\n"+
			"the disk on another machine: e2fsck -f DEVICE; or %s", device, code, argument, repair, wanted.wayOut())
	case code&fsckReboot != 0:
		return fmt.Errorf("%s was mended, and e2fsck wants a restart\nnext: restart the node", device)
	}
	return nil
}

// room is a remark on a disk that is full, or nothing.
func (s system) room(target string) string {
	now, err := s.measure(target)
	if err != nil || now.left >= now.all/fullPart {
		return ""
	}
	return fmt.Sprintf(", which is full: %d of %d MiB are free; take what is not needed from %s/log, or enlarge the disk",
		now.left>>20, now.all>>20, target)
}
