package power

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// lastPeriod is how long processes have between SIGTERM and SIGKILL.
	lastPeriod = 5 * time.Second
	lastPoll   = 100 * time.Millisecond
	// killPeriod is how long killed processes may take to go; one that hangs in the kernel never does.
	killPeriod = 2 * time.Second
	// unmountPeriod is for what disks have to write still; 1 GB at 20 MB/s.
	unmountPeriod = 50 * time.Second
	// unmountRounds: each may free what the next one needs.
	unmountRounds = 3
)

// EndProcesses ends every process but this one: SIGTERM, and SIGKILL for those that do not go; in a hurry SIGKILL alone.
func EndProcesses(hurried bool) {
	if !hurried {
		_ = unix.Kill(-1, unix.SIGTERM)
		if awaitProcesses(lastPeriod) {
			return
		}
	}
	_ = unix.Kill(-1, unix.SIGKILL)
	awaitProcesses(killPeriod)
}

// awaitProcesses says whether all other processes went within that time.
func awaitProcesses(limit time.Duration) bool {
	for begin := time.Now(); time.Since(begin) < limit; time.Sleep(lastPoll) {
		if !othersRun("/proc", os.Getpid()) {
			return true
		}
	}
	return false
}

// othersRun says whether there is a process other than self; threads of the kernel have no command line, nor have zombies.
func othersRun(proc string, self int) bool {
	entries, _ := os.ReadDir(proc)
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == self {
			continue
		}
		if line, _ := os.ReadFile(proc + "/" + entry.Name() + "/cmdline"); len(line) > 0 {
			return true
		}
	}
	return false
}

// UnmountDisks writes everything out and unmounts what has data to lose. A disk that is still in use becomes read-only,
// which makes it as clean; the error names those that stay writable. A disk that answers no more is waited for a while.
func UnmountDisks() error {
	return within(unmountPeriod, "unmounting the disks", unmountDisks)
}

func unmountDisks() error {
	unix.Sync()
	for range unmountRounds {
		for _, target := range mountedDisks() {
			_ = unix.Unmount(target, 0)
		}
	}
	var failures []error
	for _, target := range mountedDisks() {
		if err := unix.Mount("", target, "", unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			failures = append(failures, fmt.Errorf("%s stays mounted: %w", target, err))
		}
	}
	unix.Sync()
	return errors.Join(failures...)
}

// mountedDisks gives the targets that UnmountDisks has to do with, the last mounted first.
func mountedDisks() []string {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	return parseDisks(string(text))
}

// parseDisks reads mountinfo (proc_pid_mountinfo(5)): writable file systems on a block device, and overlays, which may have
// their upper part on one. Below the root itself they are left alone: it is read-only.
func parseDisks(mountinfo string) []string {
	var targets []string
	for line := range strings.Lines(mountinfo) {
		before, after, found := strings.Cut(line, " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if !found || len(fields) < 6 || len(kind) < 3 || fields[4] == "/" {
			continue
		}
		writable := !slices.Contains(strings.Split(kind[2], ","), "ro")
		if writable && (kind[0] == "overlay" || strings.HasPrefix(kind[1], "/dev/")) {
			targets = append(targets, unescape(fields[4]))
		}
	}
	slices.Reverse(targets)
	return targets
}

// unescape undoes the kernel's octal escapes of blanks and backslashes.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}
