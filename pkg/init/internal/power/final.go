package power

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

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
	// busyPeriod is for killed processes to let go of their files, on a machine that has much else to do.
	busyPeriod = 10 * time.Second
	// stateDir is where the state disk is mounted.
	stateDir = "/var"
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
	swapOff("/proc/swaps")
	for range unmountRounds {
		for _, each := range mounted() {
			_ = unix.Unmount(each.target, 0)
		}
	}
	var failures []error
	for _, each := range mounted() {
		if err := each.settle(busyPeriod); err != nil {
			failures = append(failures, each.stays(err))
		}
	}
	unix.Sync()
	return errors.Join(failures...)
}

// swapOff takes back what was swapped out: a disk with a swap file in use can't be unmounted. All processes are gone by then, and
// what they had with them.
func swapOff(listed string) {
	text, _ := os.ReadFile(listed)
	for _, file := range swaps(string(text)) {
		// What a step's container began to swap to has its name from that container's mount on.
		for _, place := range []string{file, stateDir + file} {
			if name, err := unix.BytePtrFromString(place); err == nil {
				_, _, _ = unix.Syscall(unix.SYS_SWAPOFF, uintptr(unsafe.Pointer(name)), 0, 0)
			}
		}
	}
}

// swaps gives the names in /proc/swaps (proc_swaps(5)), which has a line of headings; spaces are written as octal digits.
func swaps(text string) []string {
	var found []string
	for line := range strings.Lines(text) {
		if fields := strings.Fields(line); len(fields) > 1 && strings.HasPrefix(fields[0], "/") {
			found = append(found, unescape(fields[0]))
		}
	}
	return found
}

// mount is one that UnmountDisks has to do with: a disk's, or one that lies upon a disk's and holds it.
type mount struct {
	target string
	disk   bool
}

// settle makes a disk read-only. It is busy as long as a process that was killed has not let go of a file that it wrote.
func (m mount) settle(limit time.Duration) error {
	if !m.disk {
		return nil
	}
	begin := time.Now()
	for {
		err := unix.Mount("", m.target, "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
		if !errors.Is(err, unix.EBUSY) || time.Since(begin) >= limit {
			return err
		}
		time.Sleep(lastPoll)
	}
}

// stays says that the mount could not be settled, and who holds it.
func (m mount) stays(why error) error {
	by := ""
	if found := holders("/proc", m.target); len(found) > 0 {
		by = ", held by " + strings.Join(found, ", ")
	}
	return fmt.Errorf("%s stays mounted: %w%s", m.target, why, by)
}

// mounted gives the mounts that UnmountDisks has to do with, the last mounted first.
func mounted() []mount {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	return parseMounts(string(text))
}

// parseMounts reads mountinfo (proc_pid_mountinfo(5)): writable file systems on a block device, overlays, which may have
// their upper part on one, and whatever is mounted below these. Below the root itself they are left alone: it is read-only.
func parseMounts(mountinfo string) []mount {
	var found []mount
	for line := range strings.Lines(mountinfo) {
		before, after, cut := strings.Cut(line, " - ")
		fields, kind := strings.Fields(before), strings.Fields(after)
		if !cut || len(fields) < 6 || len(kind) < 3 || fields[4] == "/" {
			continue
		}
		writable := !slices.Contains(strings.Split(kind[2], ","), "ro")
		each := mount{unescape(fields[4]), writable && (kind[0] == "overlay" || strings.HasPrefix(kind[1], "/dev/"))}
		if each.disk || slices.ContainsFunc(found, each.below) {
			found = append(found, each)
		}
	}
	slices.Reverse(found)
	return found
}

func (m mount) below(other mount) bool {
	return strings.HasPrefix(m.target, other.target+"/")
}

// unescape undoes the kernel's octal escapes of blanks and backslashes.
func unescape(path string) string {
	return strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`).Replace(path)
}
