package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"kubeiso.dev/pkg/initrd/blockdev"
)

// withPartition is a node whose disk vda has that many MiB, and a partition vda3 of that type with so many in its middle.
func withPartition(t *testing.T, disk, start, size int64, kind string) node {
	n := newNode(t)
	n.partition = func(path string) string {
		if filepath.Base(path) == "vda3" {
			return kind
		}
		return ""
	}
	n.device("vda3", size, nothing)
	n.attribute("vda", "ro", "0")
	n.attribute("vda", "size", strconv.FormatInt(disk<<11, 10))
	n.attribute("vda3", "partition", "3")
	n.attribute("vda3", "start", strconv.FormatInt(start<<11, 10))
	sector := make([]byte, 512)
	sector[marksOffset] = 0x80
	block := filepath.Join(n.devices.Sysfs, "class/block")
	below := filepath.Join(block, "vda", "vda3")
	if err := os.Rename(filepath.Join(block, "vda3"), below); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(below, filepath.Join(block, "vda3")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(n.devices.Path("vda"), sector, 0o600); err != nil {
		t.Fatal(err)
	}
	return n
}

// widening gives what was run, with what people were told.
func widening(n node, codes map[string]int) (string, string) {
	var told heard
	on := recorder{codes: codes}
	n.finder(on.system(), told.say).widen(n.devices.Names())
	return strings.ReplaceAll(strings.Join(on.calls, ", "), n.devices.Dev+"/", ""), told.all()
}

func TestAPartitionOfTheMediumReachesToTheEndOfItsDisk(t *testing.T) {
	const quiet = "sfdisk --quiet --no-reread --no-tell-kernel "
	calls, told := widening(withPartition(t, 8000, 400, 1, strings.ToUpper(statePartition)), nil)
	if want := quiet + "--relocate gpt-bak-std vda, " + quiet + "-N 3 vda, partx --update --nr 3 vda"; calls != want || told != "" {
		t.Errorf("got %s\n%s", calls, told)
	}
}

func TestTheMarkOfTheFirstSectorStays(t *testing.T) {
	n := withPartition(t, 8000, 400, 1, statePartition)
	on := (&recorder{}).system()
	on.feed = func(string, ...string) (int, error) {
		return 0, os.WriteFile(n.devices.Path("vda"), make([]byte, 512), 0o600)
	}
	n.finder(on, nothing).widen(n.devices.Names())
	sector, err := os.ReadFile(n.devices.Path("vda"))
	if err != nil || len(sector) != 512 || sector[marksOffset] != 0x80 {
		t.Errorf("%v: %x", err, sector)
	}
}

func TestNoOtherPartitionIsMadeLarger(t *testing.T) {
	for name, n := range map[string]node{
		"another type":    withPartition(t, 8000, 400, 1, "4d21b016-b534-45c2-a9fb-5c16e091fd2d"),
		"no type":         withPartition(t, 8000, 400, 1, ""),
		"no room":         withPartition(t, 8000, 400, 7580, statePartition),
		"one behind it":   before(withPartition(t, 8000, 400, 1, statePartition)),
		"write-protected": protected(withPartition(t, 8000, 400, 1, statePartition)),
	} {
		if calls, told := widening(n, nil); calls != "" || told != "" {
			t.Errorf("%s: %s\n%s", name, calls, told)
		}
	}
}

// before gives the node with a further partition right behind vda3.
func before(n node) node {
	entry := filepath.Join(n.devices.Sysfs, "class/block")
	n.attribute("vda/vda4", "partition", "4")
	n.attribute("vda/vda4", "start", strconv.FormatInt(402<<11, 10))
	if err := os.Symlink(filepath.Join(entry, "vda/vda4"), filepath.Join(entry, "vda4")); err != nil {
		n.t.Fatal(err)
	}
	return n
}

func protected(n node) node {
	n.attribute("vda", "ro", "1")
	return n
}

func TestATableThatCouldNotBeWrittenIsToldAndTheNodeGoesOn(t *testing.T) {
	calls, told := widening(withPartition(t, 8000, 400, 1, statePartition), map[string]int{"sfdisk": 1})
	if strings.Count(calls, "sfdisk") != 1 || strings.Contains(calls, "partx") || !strings.Contains(told, "could not be made larger: sfdisk") {
		t.Errorf("%s\n%s", calls, told)
	}
}

func TestABlankPartitionOfTheMediumBecomesTheStateDiskUnasked(t *testing.T) {
	n := withPartition(t, 2000, 400, 1600, statePartition)
	if found := n.see("vda3", usualWish(t, "")); found.is != vacant {
		t.Errorf("%+v", found)
	}
	if found := n.see("vda3", usualWish(t, argument+"="+someUUID)); found.is != other {
		t.Errorf("though the disk has to be another: %+v", found)
	}
	n.partition = func(string) string { return "" }
	if found := n.see("vda3", usualWish(t, "")); found.is != other {
		t.Errorf("of another type: %+v", found)
	}
	from := n.finder((&recorder{}).system(), nothing)
	if from.settle = 10 * time.Second; from.patience(finding{path: n.devices.Path("vda3")}) != from.settle {
		t.Error("a partition of another type waits as a disk does")
	}
	n.partition = func(string) string { return statePartition }
	if from = n.finder((&recorder{}).system(), nothing); from.patience(finding{path: n.devices.Path("vda3")}) >= from.settle {
		t.Error("the medium's own waits as long")
	}
	if n.devices.Disk("vda3") != "vda" || blockdev.Node.IsPartition("no such device") {
		t.Error("the toy is none")
	}
}
