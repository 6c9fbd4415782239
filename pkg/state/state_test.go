package main

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/initrd/blockdev"
)

// node is a node's block devices as files: sysfs and /dev.
type node struct {
	surveyor
	t *testing.T
}

func newNode(t *testing.T) node {
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	none := func(string) string { return "" }
	return node{surveyor{blockdev.System{Sysfs: t.TempDir(), Dev: t.TempDir()}, blockdev.Probe, none}, t}
}

// finder looks for the node's disk with a system, as fast as a test wants it. What it tells people goes to said.
func (n node) finder(on system, said func(text string)) finder {
	quick := pauses{poll: 5 * time.Millisecond, again: 100 * time.Millisecond, repeat: 200 * time.Millisecond, settle: time.Millisecond}
	return finder{n.surveyor, on, quick, said}
}

// device adds a block device of so many MiB with what make does to its file.
func (n node) device(name string, size int64, make func(path string)) string {
	n.t.Helper()
	path := n.devices.Path(name)
	if err := os.WriteFile(path+".new", nil, 0o600); err != nil {
		n.t.Fatal(err)
	}
	if err := os.Truncate(path+".new", size<<20); err != nil {
		n.t.Fatal(err)
	}
	make(path + ".new")
	if err := os.Rename(path+".new", path); err != nil {
		n.t.Fatal(err)
	}
	n.attribute(name, "ro", "0")
	n.attribute(name, "size", strconv.FormatInt(size<<20/512, 10))
	return path
}

func (n node) attribute(device, name, value string) {
	n.t.Helper()
	path := filepath.Join(n.devices.Sysfs, "class/block", device, name)
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(value+"\n"), 0o600)); err != nil {
		n.t.Fatal(err)
	}
}

// see gives what one device is to a node with that wish.
func (n node) see(name string, wanted wish) finding {
	n.t.Helper()
	return n.look(name, wanted)
}

// formatted runs a program of e2fsprogs or dosfstools on the device.
func (n node) formatted(argv ...string) func(path string) {
	return func(path string) {
		n.t.Helper()
		tool(n.t, append(slices.Clone(argv), path)...)
	}
}

func tool(t *testing.T, argv ...string) {
	t.Helper()
	if said, err := command(argv...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", argv, err, said)
	}
}

func command(argv ...string) *exec.Cmd {
	command := exec.Command(argv[0], argv[1:]...)
	command.Env = append(os.Environ(), "PATH="+os.Getenv("PATH")+":/usr/sbin:/sbin")
	return command
}

// recorder is a system that mounts nothing. Programs end with the codes given, or run.
type recorder struct {
	codes  map[string]int
	failed error // of the mount
	calls  []string
	flags  uintptr
	left   int64 // MiB that are free on the disk, of 1000
}

func (r *recorder) system() system {
	feed := func(_ string, argv ...string) (int, error) {
		r.calls = append(r.calls, strings.Join(argv, " "))
		return r.codes[argv[0]], nil
	}
	return system{
		run:  func(argv ...string) (int, error) { return feed("", argv...) },
		feed: feed,
		mount: func(device, target, kind string, flags uintptr, _ string) error {
			r.calls = append(r.calls, "mount "+kind+" "+filepath.Base(device))
			r.flags = flags
			return r.failed
		},
		unmount: func(string) error {
			r.calls = append(r.calls, "unmount")
			return nil
		},
		measure: func(string) (space, error) { return space{left: r.left << 20, all: 1000 << 20}, nil },
	}
}

func nothing(string) {}

// usualWish is that of a recipe that says nothing.
func usualWish(t *testing.T, cmdline string) wish {
	t.Helper()
	wanted, err := allWishes(nil, filepath.Join(t.TempDir(), "none"), cmdline)
	if err != nil {
		t.Fatal(err)
	}
	return wanted
}

func TestTheSizeOfALargeFilesystemIsRead(t *testing.T) {
	n := newNode(t)
	path := n.device("sda", 8, n.formatted("mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-O", "64bit"))
	image, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	image[superblockOffset+blocksHigh] = 1
	read, err := readFilesystem(bytes.NewReader(image))
	if want := int64(8<<20 + 4096<<32); err != nil || read.size != want {
		t.Errorf("got %d, want %d: %v", read.size, want, err)
	}
}

func TestWithoutADiskTheNodeSaysSoAndDoesNothing(t *testing.T) {
	n := newNode(t)
	n.device("vda", 8, nothing)
	var on recorder
	var out bytes.Buffer
	if err := run(usualWish(t, "quiet"), n.finder(on.system(), nothing), t.TempDir(), release{}, &out); err != nil || on.calls != nil {
		t.Fatalf("%v, %v", err, on.calls)
	}
	if !strings.HasPrefix(out.String(), "state: no disk labelled KUBEISO_STATE: ") || !strings.HasSuffix(out.String(), " is in memory and lost at power-off\n") {
		t.Errorf("got %q", &out)
	}
}

// withDisk is a node whose one disk's file system is so many MiB smaller.
func withDisk(t *testing.T, smaller int64) node {
	n := newNode(t)
	n.device("vdb", 200, func(path string) {
		size := strconv.FormatInt(200-smaller, 10) + "M"
		tool(t, "mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-L", usual, path, size)
	})
	return n
}

func TestTheDiskIsCheckedMountedAndGrown(t *testing.T) {
	for _, test := range []struct {
		smaller int64
		codes   map[string]int
		cmdline string
		calls   string
		said    string
	}{
		{0, nil, "", "e2fsck -p vdb, mount ext4 vdb", "keeps VAR"},
		{0, map[string]int{"e2fsck": 1}, "", "e2fsck -p vdb, mount ext4 vdb", "keeps VAR"},
		{0, nil, argument + "=repair", "e2fsck -y vdb, mount ext4 vdb", "keeps VAR"},
		{60, nil, "", "e2fsck -p vdb, mount ext4 vdb", "keeps VAR"},
		{100, nil, "", "e2fsck -p vdb, mount ext4 vdb, resize2fs vdb", "keeps VAR, grown to 200 MiB"},
		{100, map[string]int{"resize2fs": 1}, "", "e2fsck -p vdb, mount ext4 vdb, resize2fs vdb",
			"keeps VAR, but was not grown to the disk's 200 MiB (see the step's log)"},
		{0, nil, argument + "=off", "", "state: by kubeiso.state=off no disk is used: VAR is in memory"},
	} {
		n, target := withDisk(t, test.smaller), t.TempDir()
		on := recorder{codes: test.codes, left: 500}
		var out bytes.Buffer
		if err := run(usualWish(t, "root=x "+test.cmdline), n.finder(on.system(), nothing), target, release{}, &out); err != nil {
			t.Fatal(err)
		}
		if calls := strings.ReplaceAll(strings.Join(on.calls, ", "), n.devices.Dev+"/", ""); calls != test.calls {
			t.Errorf("calls: %s, want %s", calls, test.calls)
		}
		if !strings.Contains(strings.ReplaceAll(out.String(), target, "VAR"), test.said) || strings.Count(out.String(), "\n") != 1 {
			t.Errorf("said %q, want %q", &out, test.said)
		}
		if on.calls != nil && on.flags != unix.MS_NOATIME|unix.MS_NODEV|unix.MS_NOSUID {
			t.Errorf("flags %#x", on.flags)
		}
	}
}

func TestADiskThatCannotBeUsedStopsTheStepWithAWayOut(t *testing.T) {
	for _, test := range []struct {
		codes   map[string]int
		failed  error
		cmdline string
		said    []string
	}{
		{map[string]int{"e2fsck": 2}, nil, "", []string{"wants a restart"}},
		{map[string]int{"e2fsck": 3}, nil, "", []string{"wants a restart"}},
		{map[string]int{"e2fsck": 4}, nil, "", []string{"exit code 4", "kubeiso.state=repair", "kubeiso.state=off", "another machine"}},
		{map[string]int{"e2fsck": 8}, nil, "", []string{"exit code 8"}},
		{map[string]int{"e2fsck": 12}, nil, argument + "=repair", []string{"could not mend", "kubeiso.state=off"}},
		{nil, unix.EUCLEAN, "", []string{"can't be mounted", unix.EUCLEAN.Error(), "kubeiso.state=off"}},
		{nil, unix.EIO, "", []string{"can't be mounted", unix.EIO.Error(), "kubeiso.state=off"}},
		{nil, unix.EIO, argument + "=required", []string{"can't be mounted", "replace the disk", "the kernel's command line"}},
	} {
		n, target := withDisk(t, 0), t.TempDir()
		kept := filepath.Join(target, "lock")
		if err := os.Mkdir(kept, 0o700); err != nil {
			t.Fatal(err)
		}
		on := recorder{codes: test.codes, failed: test.failed}
		err := run(usualWish(t, test.cmdline), n.finder(on.system(), nothing), target, release{}, io.Discard)
		if err == nil {
			t.Fatalf("%+v: no error", test)
		}
		for _, part := range test.said {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%q is not in %q", part, err)
			}
		}
		if _, err := os.Stat(kept); err != nil {
			t.Error("what was in memory was touched")
		}
		if test.failed == nil && strings.Contains(strings.Join(on.calls, " "), "mount") {
			t.Errorf("mounted all the same: %v", on.calls)
		}
	}
}

func TestAFullDiskIsMountedAndTold(t *testing.T) {
	n, target := withDisk(t, 0), t.TempDir()
	on := recorder{left: 49}
	var out bytes.Buffer
	err := run(usualWish(t, ""), n.finder(on.system(), nothing), target, release{}, &out)
	if err != nil || !strings.Contains(out.String(), "which is full: 49 of 1000 MiB are free") {
		t.Errorf("%v: %q", err, &out)
	}
}

func TestADiskThatWasCutOffIsNotTouched(t *testing.T) {
	n := withDisk(t, 0)
	n.attribute("vdb", "size", strconv.Itoa(100<<20/512))
	var on recorder
	err := run(usualWish(t, ""), n.finder(on.system(), nothing), t.TempDir(), release{}, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "has 100 MiB, but its file system 200 MiB") || on.calls != nil {
		t.Errorf("%v, %v", err, on.calls)
	}
}

// What the real programs do with a real disk that lost power: its journal is replayed, and nothing else asked.
func TestTheRealCheck(t *testing.T) {
	var said bytes.Buffer
	on := kernel(&said, nothing, time.Hour)
	n := withDisk(t, 0)
	device := n.devices.Path("vdb")
	usually, mending := wish{need: optional}, wish{need: optional, repair: true}
	tool(t, "debugfs", "-w", "-R", "feature needs_recovery", device)
	if err := on.check(device, usually); err != nil || !strings.Contains(said.String(), "recovering journal") {
		t.Fatalf("%v\n%s", err, &said)
	}
	tool(t, "debugfs", "-w", "-R", "clri <2>", device)                // no root folder any more
	tool(t, "debugfs", "-w", "-R", "set_super_value state 2", device) // as a kernel notes that it met an error
	if err := on.check(device, usually); err == nil || !strings.Contains(err.Error(), "exit code 4") {
		t.Errorf("got %v\n%s", err, &said)
	}
	if err := on.check(device, mending); err != nil {
		t.Errorf("got %v\n%s", err, &said)
	}
	if err := on.check(device, usually); err != nil {
		t.Errorf("still broken: %v\n%s", err, &said)
	}
}

func TestWhoContainerdIsIsForgottenWhereAPowerCutTookIt(t *testing.T) {
	const whole = "0b1e9ee4-1f53-4a2b-9c3d-5f6e7a8b9c0d"
	for text, kept := range map[string]bool{
		whole: true, whole + "\n": true, "": false, strings.Repeat("\x00", len(whole)): false, whole[:20]: false,
	} {
		target := t.TempDir()
		path := filepath.Join(target, "lib/containerd/io.containerd.service.v1.introspection-service/uuid")
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
		if err := forget(target); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(path); (err == nil) != kept {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestWhatOnlyOneBootMayKnowIsForgotten(t *testing.T) {
	target := t.TempDir()
	for _, name := range []string{"lib/cni/networks/bridge/10.244.0.7", "lib/cni/results/x", "lock/xtables", "lib/etcd/member", "log/kubelet.log"} {
		path := filepath.Join(target, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, nil, 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	if err := forget(target); err != nil {
		t.Fatal(err)
	}
	var left []string
	_ = filepath.WalkDir(target, func(path string, entry fs.DirEntry, _ error) error {
		if !entry.IsDir() {
			left = append(left, strings.TrimPrefix(path, target+"/"))
		}
		return nil
	})
	if want := []string{"lib/etcd/member", "log/kubelet.log"}; !slices.Equal(left, want) {
		t.Errorf("left %v, want %v", left, want)
	}
}

func TestWhatIsNoFilesystemHasNoLabel(t *testing.T) {
	for name, data := range map[string][]byte{
		"empty": nil, "short": make([]byte, superblockOffset+superblockLength-1), "zeros": make([]byte, 4096),
		"wrong block size": append(make([]byte, superblockOffset+magicOffset-0x20), bytes.Repeat([]byte{0x53, 0xEF}, 512)...),
	} {
		if _, err := readFilesystem(bytes.NewReader(data)); !errors.Is(err, errNoFilesystem) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestADiskThatCannotBeWrittenIsTakenAwayAgain(t *testing.T) {
	n, on, target := withDisk(t, 100), recorder{left: 500}, t.TempDir()
	put(t, target, map[string]string{"lib/containerd/x.introspection/uuid/x": "no file, so that it can't be read"})
	err := run(usualWish(t, ""), n.finder(on.system(), nothing), target, release{kubernetes: "1.36.3"}, &bytes.Buffer{})
	if err == nil || !strings.Contains(err.Error(), "can be mounted, but not written") || !strings.Contains(err.Error(), "next: ") {
		t.Errorf("said %v", err)
	}
	if last := on.calls[len(on.calls)-1]; last != "unmount" {
		t.Errorf("it stays: %v", on.calls)
	}
}
