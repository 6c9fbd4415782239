package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kubeiso.dev/pkg/initrd/blockdev"
)

// heard collects what people are told.
type heard struct {
	mu    sync.Mutex
	texts []string
}

func (h *heard) say(text string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.texts = append(h.texts, text)
}

func (h *heard) all() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	return strings.Join(h.texts, "\n--\n")
}

// await waits until people were told that text.
func (h *heard) await(t *testing.T, text string) {
	t.Helper()
	for range 1000 {
		if strings.Contains(h.all(), text) {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("nobody was told %q:\n%s", text, h.all())
}

type result struct {
	disk *finding
	err  error
}

// searching lets a finder look in the background.
func searching(from finder, wanted wish) chan result {
	done := make(chan result, 1)
	go func() {
		disk, err := from.find(wanted)
		done <- result{disk, err}
	}()
	return done
}

var mustHave = wish{need: required, by: "the recipe", label: usual}

func TestANodeThatHasToHaveADiskWaitsForItAndSaysWhatItSees(t *testing.T) {
	n := newNode(t)
	n.device("vda", 8, n.ext4("OTHER"))
	n.device("vdb", 8, luks(t))
	var told heard
	done := searching(n.finder((&recorder{}).system(), told.say), mustHave)
	told.await(t, "vdb (8 MiB, crypto_LUKS) is something else")
	told.await(t, "s now)") // said again
	for _, part := range []string{
		"waiting for this node's state disk: an ext4 file system labelled KUBEISO_STATE, which the recipe requires",
		`vda (8 MiB, ext4 "OTHER") has another label`, "next: attach the disk",
	} {
		if !strings.Contains(told.all(), part) {
			t.Errorf("%q is not in:\n%s", part, told.all())
		}
	}
	select {
	case found := <-done:
		t.Fatalf("it went on: %+v", found)
	case <-time.After(2 * blockdev.Quiet):
	}
	n.device("sdc", 8, n.ext4(usual))
	if found := <-done; found.err != nil || found.disk.path != n.devices.Path("sdc") {
		t.Errorf("%+v", found)
	}
}

func TestADiskThatBecomesReadableIsTaken(t *testing.T) {
	n := newNode(t)
	path := n.device("vdb", 8, n.ext4(usual))
	good := path + ".good"
	if err := os.Rename(path, good); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/self/mem", path); err != nil {
		t.Fatal(err)
	}
	var told heard
	done := searching(n.finder((&recorder{}).system(), told.say), mustHave)
	told.await(t, "in the way: "+path+" (8 MiB, unknown) can't be read: input/output error")
	if err := os.Rename(good, path); err != nil {
		t.Fatal(err)
	}
	if found := <-done; found.err != nil || found.disk.path != path {
		t.Errorf("%+v", found)
	}
}

func TestTwoDisksAreWaitedWithUntilOneIsLeft(t *testing.T) {
	n := newNode(t)
	n.device("vdb", 8, n.ext4(usual))
	n.device("vdc", 8, n.ext4(usual))
	var told heard
	done := searching(n.finder((&recorder{}).system(), told.say), mustHave)
	told.await(t, "one of them is another's state")
	if err := os.RemoveAll(filepath.Join(n.devices.Sysfs, "class/block/vdb")); err != nil {
		t.Fatal(err)
	}
	if found := <-done; found.err != nil || found.disk.path != n.devices.Path("vdc") {
		t.Errorf("%+v", found)
	}
}

func TestAUSBDiskThatAppearsLateIsFoundWhereNoneHasToBe(t *testing.T) {
	n := newNode(t)
	port := filepath.Join(n.devices.Sysfs, "bus/usb/drivers/usb-storage/1-1:1.0")
	if err := os.MkdirAll(port, 0o700); err != nil {
		t.Fatal(err)
	}
	done := searching(n.finder((&recorder{}).system(), nothing), usualWish(t, ""))
	select {
	case found := <-done:
		t.Fatalf("gave up on a USB disk: %v", found)
	case <-time.After(3 * blockdev.Quiet):
	}
	n.device("sda", 8, n.ext4(usual))
	if found := <-done; found.err != nil || found.disk == nil {
		t.Errorf("%+v", found)
	}
}

// formatting is a system whose programs run, but that mounts nothing.
func formatting(t *testing.T) system {
	on := kernel(testWriter{t}, nothing, time.Hour)
	on.mount = func(string, string, string, uintptr, string) error { return nil }
	return on
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(data []byte) (int, error) {
	w.t.Logf("%s", data)
	return len(data), nil
}

var blankWish = wish{need: required, by: "the recipe", label: usual, blank: true}

func TestABlankDiskBecomesTheStateDisk(t *testing.T) {
	n := newNode(t)
	n.device("vda", 2000, n.ext4("OTHER"))
	path := n.device("vdb", 1100, nothing)
	n.device("vdc", 1000, nothing)
	var told heard
	found, err := n.finder(formatting(t), told.say).find(blankWish)
	if err != nil || found.path != path || found.is != chosen {
		t.Fatalf("%+v, %v", found, err)
	}
	if !strings.Contains(told.all(), "vdb is blank (1100 MiB): it becomes this node's state disk") {
		t.Errorf("told %s", told.all())
	}
	tool(t, "e2fsck", "-fn", path)
	uuid := n.see("vdb", blankWish).content.uuid
	again, err := n.finder((&recorder{}).system(), nothing).find(blankWish)
	if err != nil || again.path != path || again.content.uuid != uuid {
		t.Errorf("the next boot: %+v, %v", again, err)
	}
	if found.size-found.content.size >= spare {
		t.Error("the next boot would grow it")
	}
}

func TestNothingButABlankDiskThatFitsIsFormatted(t *testing.T) {
	damage := func(n node) func(path string) {
		return both(n.ext4(usual), written(t, 0, make([]byte, 1<<20)), written(t, -1<<20, make([]byte, 1<<20)))
	}
	for name, test := range map[string]struct {
		prepare func(n node)
		wanted  wish
		said    string
	}{
		"too small":      {func(n node) { n.device("vdb", 1000, nothing) }, blankWish, "is smaller than 1024 MiB"},
		"not asked for":  {func(n node) { n.device("vdb", 1100, nothing) }, mustHave, "blank"},
		"a known UUID":   {func(n node) { n.device("vdb", 1100, nothing) }, blankWish.demand(someUUID, "x"), "UUID " + someUUID},
		"another's size": {func(n node) { n.device("vdb", 1100, nothing) }, wish{need: required, label: usual, blank: true, smallest: 2 << 30}, "is smaller than 2048 MiB"},
		"another path":   {func(n node) { n.device("vdb", 1100, nothing) }, wish{need: required, label: usual, blank: true, path: "/dev/vdz"}, "is not /dev/vdz"},
		"two": {
			func(n node) { n.device("vdb", 1100, nothing); n.device("vdc", 1100, nothing) }, blankWish,
			"are all blank disks of at least 1024 MiB, and which of them",
		},
		"a partition":             {func(n node) { n.device("vdb1", 1100, nothing); n.attribute("vdb1", "partition", "1") }, blankWish, "only whole disks"},
		"in use":                  {func(n node) { n.device("vdb", 1100, nothing); n.attribute("vdb", "holders/dm-0", "") }, blankWish, "in use by dm-0"},
		"protected":               {func(n node) { n.device("vdb", 1100, nothing); n.attribute("vdb", "ro", "1") }, blankWish, "write-protected"},
		"wiped, but not its data": {func(n node) { n.device("vdb", 1100, both(n.ext4("OTHER"), written(t, 0, make([]byte, 4096)))) }, blankWish, "had an ext4 file system"},
		"noise":                   {func(n node) { n.device("vdb", 1100, written(t, 70000, []byte("x"))) }, blankWish, "has data at byte 70000"},
		"a damaged state disk":    {func(n node) { n.device("vdb", 1100, damage(n)) }, blankWish, "damaged superblock"},
		"an unreadable one beside": {
			func(n node) {
				n.device("vdb", 1100, nothing)
				n.device("vdc", 8, nothing)
				_ = os.Remove(n.devices.Path("vdc"))
				_ = os.Symlink("/proc/self/mem", n.devices.Path("vdc"))
			}, blankWish, "can't be read",
		},
		"half a mirror beside": {
			func(n node) {
				n.device("vdb", 1100, nothing)
				n.device("vdc", 200, both(n.ext4(usual), mirrored(t, 200)))
			}, blankWish, "linux_raid_member",
		},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			n.t = t
			test.prepare(n)
			var told heard
			var on recorder
			from := n.finder(on.system(), told.say)
			done := searching(from, test.wanted)
			told.await(t, test.said)
			select {
			case found := <-done:
				t.Errorf("it went on: %+v", found)
			case <-time.After(2 * blockdev.Quiet):
			}
			if on.calls != nil {
				t.Errorf("programs ran: %v", on.calls)
			}
		})
	}
}

func TestPathOrSizeDecidesBetweenBlankDisks(t *testing.T) {
	n := newNode(t)
	n.device("vdb", 1100, nothing)
	n.device("vdc", 1500, nothing)
	for _, test := range []struct {
		path     string
		smallest int64
		want     string
	}{{n.devices.Path("vdb"), 0, "vdb"}, {"", 1400 << 20, "vdc"}} {
		wanted := blankWish
		wanted.path, wanted.smallest = test.path, test.smallest
		all := n.survey([]string{"vdb", "vdc"}, wanted)
		if found := choose(all, wanted); found.format == nil || found.format.path != n.devices.Path(test.want) {
			t.Errorf("%+v: %+v", test, found)
		}
	}
}

// A late state disk must not meet a node that has formatted another one in the meantime.
func TestABlankDiskIsFormattedOnlyWhenNothingElseIsToCome(t *testing.T) {
	n := newNode(t)
	n.device("vdb", 1100, nothing)
	var on recorder
	from := n.finder(on.system(), nothing)
	from.settle = time.Second
	done := searching(from, blankWish)
	time.Sleep(2 * blockdev.Quiet)
	n.device("sda", 8, n.ext4(usual))
	if found := <-done; found.err != nil || found.disk.path != n.devices.Path("sda") || on.calls != nil {
		t.Errorf("%+v, %v", found, on.calls)
	}
}

// cut is a system that loses power while it formats: after so much of mke2fs as damage does.
func cut(t *testing.T, damage func(argv []string)) system {
	on := formatting(t)
	on.run = func(argv ...string) (int, error) {
		damage(argv)
		return 0, fmt.Errorf("power cut")
	}
	return on
}

func TestAPowerCutWhileFormattingIsMadeGood(t *testing.T) {
	for name, damage := range map[string]func(argv []string){
		"before all of it": func([]string) {},
		"in the middle":    func(argv []string) { written(t, 300000, []byte("inodes"))(argv[len(argv)-2]) },
		"before its end": func(argv []string) {
			tool(t, argv...)
			written(t, 1024, make([]byte, 1024))(argv[len(argv)-2])
		},
		"after all of it": func(argv []string) { tool(t, argv...) },
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t)
			path := n.device("vdb", 1100, nothing)
			if _, err := n.finder(cut(t, damage), nothing).find(blankWish); err == nil {
				t.Fatal("no error")
			}
			if found := n.see("vdb", blankWish); found.is != halfway {
				t.Fatalf("it is %s", found)
			}
			if found, err := n.finder(formatting(t), nothing).find(blankWish); err != nil || found.path != path {
				t.Fatalf("%+v, %v", found, err)
			}
			tool(t, "e2fsck", "-fn", path)
			if found := n.see("vdb", blankWish); found.is != chosen {
				t.Errorf("it is %s", found)
			}
		})
	}
}

// The real mke2fs is killed at ever later moments.
func TestAKilledFormattingIsMadeGood(t *testing.T) {
	n := newNode(t)
	for delay := time.Duration(0); delay < 60*time.Millisecond; delay += 6 * time.Millisecond {
		path := n.device("vdb", 1100, nothing)
		killing := cut(t, func(argv []string) {
			process := exec.Command(argv[0], argv[1:]...)
			if err := process.Start(); err != nil {
				t.Fatal(err)
			}
			time.Sleep(delay)
			_ = process.Process.Kill()
			_ = process.Wait()
		})
		_, _ = n.finder(killing, nothing).find(blankWish)
		if found, err := n.finder(formatting(t), nothing).find(blankWish); err != nil || found.path != path {
			t.Fatalf("killed after %s: %+v, %v", delay, found, err)
		}
		tool(t, "e2fsck", "-fn", path)
	}
}

func TestADiskThatSomebodyTookSinceTheCutIsNotFormatted(t *testing.T) {
	n := newNode(t)
	n.device("vdb", 1100, nothing)
	_, _ = n.finder(cut(t, func([]string) {}), nothing).find(blankWish)
	both(luks(t))(n.devices.Path("vdb"))
	if found := n.see("vdb", blankWish); found.is != other {
		t.Errorf("it is %s", found)
	}
}

func TestWhatTheKernelsLogTakesAtOnce(t *testing.T) {
	long := strings.Repeat("x", record-100)
	got := records("a\nb\n" + long + "\n" + long + "\n" + long + long)
	want := []string{"a\nb\n" + long, long, (long + long)[:record]}
	if strings.Join(got, "|") != strings.Join(want, "|") {
		t.Errorf("got %d parts: %q", len(got), got)
	}
}

func TestAProgramThatTakesItsTimeGivesSignsOfLife(t *testing.T) {
	var told heard
	code, err := kernel(testWriter{t}, told.say, 50*time.Millisecond).run("sleep", "0.3")
	if code != 0 || err != nil || !strings.Contains(told.all(), "sleep 0.3: at work for 0 s") {
		t.Errorf("%d, %v: %q", code, err, told.all())
	}
}
