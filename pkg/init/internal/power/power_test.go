package power

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func TestActions(t *testing.T) {
	for name, want := range map[string]struct {
		action Action
		signal unix.Signal
	}{
		"poweroff": {PowerOff, unix.SIGUSR2}, "reboot": {Reboot, unix.SIGTERM}, "halt": {Halt, unix.SIGUSR1},
		"shutdown": {PowerOff, unix.SIGUSR2}, "init": {"", 0},
	} {
		if action := Command(name); action != want.action || action.Signal() != want.signal {
			t.Errorf("%s: %q, signal %v", name, action, action.Signal())
		}
	}
}

func TestHasKey(t *testing.T) {
	tests := []struct {
		bitmap string
		want   bool
	}{
		{"10000000000000 0\n", true},
		{"402000000 3803078f800d001 feefffdfffefffff fffffffffffffffe", false}, // all but the one
		{"402000000 3803078f800d001 feffffdfffefffff fffffffffffffffe", true},
		{"fffffffffffffffe", false},
		{"0 zz", false},
		{"", false},
	}
	for _, test := range tests {
		if got := hasKey(test.bitmap, keyPower); got != test.want {
			t.Errorf("%q: got %v", test.bitmap, got)
		}
	}
}

// event gives the bytes of a struct input_event.
func event(kind, code uint16, value uint32) []byte {
	data := make([]byte, eventSize-8)
	data = binary.NativeEndian.AppendUint16(data, kind)
	data = binary.NativeEndian.AppendUint16(data, code)
	return binary.NativeEndian.AppendUint32(data, value)
}

func TestButton(t *testing.T) {
	tests := []struct {
		name   string
		events [][]byte
		want   bool
	}{
		{"press", [][]byte{event(evKey, keyPower, 1), event(0, 0, 0), event(evKey, keyPower, 0)}, true},
		{"release only", [][]byte{event(evKey, keyPower, 0)}, false},
		{"other key", [][]byte{event(evKey, 30, 1)}, false},
		{"half an event", [][]byte{event(evKey, keyPower, 1)[:eventSize-1]}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			actions := make(chan Action, 1)
			buttons := NewButtons(actions)
			buttons.watched["event0"] = true
			buttons.watch("event0", io.NopCloser(bytes.NewReader(bytes.Join(test.events, nil))))
			if got := len(actions) == 1; got != test.want || buttons.watched["event0"] {
				t.Errorf("action: %v, still watched: %v", got, buttons.watched["event0"])
			}
		})
	}
}

func TestOfferDoesNotWait(t *testing.T) {
	actions := make(chan Action, 1)
	done := make(chan struct{})
	go func() { offer(actions, Reboot); offer(actions, PowerOff); close(done) }()
	select {
	case <-done:
	case <-time.After(5 * time.Second):
		t.Fatal("offer waits")
	}
	if first := <-actions; first != Reboot {
		t.Errorf("got %s", first)
	}
}

func TestOthersRun(t *testing.T) {
	proc := t.TempDir()
	add := func(pid, line string) {
		path := filepath.Join(proc, pid, "cmdline")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(line), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	add("1", "/sbin/init")
	add("2", "")
	add("self", "x")
	if othersRun(proc, 1) {
		t.Error("a kernel thread counts")
	}
	add("77", "/usr/bin/containerd")
	if !othersRun(proc, 1) {
		t.Error("a process does not count")
	}
}

func TestParseMounts(t *testing.T) {
	mountinfo := `21 1 7:0 / / ro,relatime shared:1 - squashfs /dev/loop0 ro
22 21 0:20 / /run rw,nosuid shared:2 - tmpfs tmpfs rw
23 21 254:1 / /var rw,relatime shared:3 - ext4 /dev/vda1 rw,errors=continue
24 23 254:2 / /var/with\040blank rw - xfs /dev/vdb rw
29 23 0:40 / /var/lib/kubelet/pods/1/token rw - tmpfs tmpfs rw
30 22 0:41 / /run/variant rw - tmpfs tmpfs rw
25 21 11:0 / /mnt/cd ro - iso9660 /dev/sr0 ro
26 21 0:33 / /containers/services/a/rootfs rw - overlay overlay rw,lowerdir=/a
27 21 0:34 / /lower ro - overlay overlay ro,lowerdir=/a:/b
28 21 0:5 / /dev rw - devtmpfs dev rw
broken line
`
	want := []mount{{"/containers/services/a/rootfs", true}, {"/var/lib/kubelet/pods/1/token", false}, {"/var/with blank", true}, {"/var", true}}
	if got := parseMounts(mountinfo); !reflect.DeepEqual(got, want) {
		t.Errorf("got %v", got)
	}
}

// ownDisk is a file system of the test's own.
func ownDisk(t *testing.T) string {
	t.Helper()
	target := t.TempDir()
	if err := unix.Mount("tmpfs", target, "tmpfs", 0, ""); err != nil {
		t.Skip("needs root")
	}
	t.Cleanup(func() { _ = unix.Unmount(target, unix.MNT_DETACH) })
	return target
}

func TestADiskThatIsBusyForAWhileBecomesReadOnly(t *testing.T) {
	target := ownDisk(t)
	open, err := os.Create(filepath.Join(target, "log"))
	if err != nil {
		t.Fatal(err)
	}
	disk := mount{target, true}
	if err := disk.settle(300 * time.Millisecond); !errors.Is(err, unix.EBUSY) {
		t.Errorf("one that stays busy: %v", err)
	} else if told := disk.stays(err).Error(); !strings.HasSuffix(told, fmt.Sprintf("(%d) %s", os.Getpid(), open.Name())) {
		t.Errorf("who holds it: %s", told)
	}
	time.AfterFunc(300*time.Millisecond, func() { _ = open.Close() })
	if err := disk.settle(time.Minute); err != nil {
		t.Errorf("one that was busy: %v", err)
	}
	if err := os.WriteFile(filepath.Join(target, "late"), nil, 0o600); !errors.Is(err, unix.EROFS) {
		t.Errorf("written after all: %v", err)
	}
}

func TestWhatHangsInTheKernelIsNotWaitedForAnyLonger(t *testing.T) {
	forever := make(chan struct{})
	defer close(forever)
	begin := time.Now()
	err := within(100*time.Millisecond, "sync", func() error { <-forever; return nil })
	if err == nil || err.Error() != "sync takes longer than 100ms" || time.Since(begin) > 5*time.Second {
		t.Errorf("after %v: %v", time.Since(begin), err)
	}
	failure := errors.New("refused")
	if err := within(time.Minute, "x", func() error { return failure }); err != failure {
		t.Errorf("got %v", err)
	}
}

func TestTheLastKeysResetAMachineThatDoesNotStop(t *testing.T) {
	for action, want := range map[Action]string{PowerOff: "uob", Reboot: "ub", Halt: ""} {
		if got := strings.Join(action.lastKeys(), ""); got != want {
			t.Errorf("%s: %q", action, got)
		}
	}
}

func TestSwapsAreFilesAndDisksByTheirNames(t *testing.T) {
	const listed = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n" +
		"/var/swap                               file\t\t2097148\t\t0\t\t-2\n/dev/a\\040b partition 1 0 -3\n"
	if found := swaps(listed); !slices.Equal(found, []string{"/var/swap", "/dev/a b"}) {
		t.Errorf("swaps: %q", found)
	}
	if found := swaps(""); found != nil {
		t.Errorf("swaps of nothing: %q", found)
	}
}
