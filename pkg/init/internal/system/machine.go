package system

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/initrd/cmdline"
)

// Open files that programs of the node, and of pods, may have: what they start with, and what they may ask for. Programs that close
// every descriptor that could be open take minutes with a million, and select(2) knows 1024; the hard limit is for all others.
const (
	openFiles    = 1024
	maxOpenFiles = 1 << 20
)

// SetLimits sets the limits that all programs inherit. The syscall package's call tells Go's runtime, too, which would
// give children the old limit else.
func SetLimits() error {
	files := syscall.Rlimit{Cur: openFiles, Max: maxOpenFiles}
	processes := syscall.Rlimit{Cur: unix.RLIM_INFINITY, Max: unix.RLIM_INFINITY}
	return errors.Join(syscall.Setrlimit(unix.RLIMIT_NOFILE, &files), syscall.Setrlimit(unix.RLIMIT_NPROC, &processes))
}

// LoopbackUp switches the loopback interface on; the kernel then gives it its addresses.
func LoopbackUp() error {
	socket, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	request, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(socket, unix.SIOCGIFFLAGS, request); err != nil {
		return fmt.Errorf("asking for lo's flags: %w", err)
	}
	request.SetUint16(request.Uint16() | unix.IFF_UP)
	if err := unix.IoctlIfreq(socket, unix.SIOCSIFFLAGS, request); err != nil {
		return fmt.Errorf("switching lo on: %w", err)
	}
	return nil
}

// SetClock sets the system's clock from the hardware's, taken as UTC, unless the kernel did. No hardware clock is no error.
func SetClock() error {
	if done, _ := os.ReadFile("/sys/class/rtc/rtc0/hctosys"); strings.TrimSpace(string(done)) == "1" {
		return nil
	}
	clock, err := os.Open("/dev/rtc0")
	if err != nil {
		return nil
	}
	defer clock.Close()
	now, err := unix.IoctlGetRTCTime(int(clock.Fd()))
	if err != nil {
		return fmt.Errorf("reading the hardware clock: %w", err)
	}
	value := unix.NsecToTimeval(rtcTime(now).UnixNano())
	return unix.Settimeofday(&value)
}

// rtcTime reads the kernel's struct rtc_time: years since 1900, months from 0.
func rtcTime(now *unix.RTCTime) time.Time {
	return time.Date(int(now.Year)+1900, time.Month(now.Mon+1), int(now.Mday), int(now.Hour), int(now.Min), int(now.Sec), 0, time.UTC)
}

// MemoryMiB is the memory that the kernel has, in MiB; 0 if unknown.
func MemoryMiB() int {
	text, _ := os.ReadFile("/proc/meminfo")
	return memoryMiB(string(text))
}

// memoryMiB reads "MemTotal:  1014068 kB" (proc_meminfo(5)).
func memoryMiB(meminfo string) int {
	for line := range strings.Lines(meminfo) {
		if words := strings.Fields(line); len(words) == 3 && words[0] == "MemTotal:" {
			kib, _ := strconv.Atoi(words[1])
			return kib / 1024
		}
	}
	return 0
}

// Number gives the whole number that the kernel's command line has for a key, or the given one where it has none that is one.
func Number(text, key string, otherwise int) int {
	for value := range cmdline.Values(text, key) {
		if number, err := strconv.Atoi(value); err == nil && number >= 0 {
			otherwise = number
		}
	}
	return otherwise
}
