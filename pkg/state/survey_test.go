package main

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ext4 gives what makes an ext4 file system with that label.
func (n node) ext4(label string, more ...string) func(path string) {
	return n.formatted(append([]string{"mke2fs", "-q", "-F", "-t", "ext4", "-b", "4096", "-L", label}, more...)...)
}

// both does one thing to a device after another.
func both(parts ...func(path string)) func(path string) {
	return func(path string) {
		for _, part := range parts {
			part(path)
		}
	}
}

// written puts bytes on a device; a place below zero counts from its end.
func written(t *testing.T, at int64, data []byte) func(path string) {
	return func(path string) {
		t.Helper()
		file, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		about, err := file.Stat()
		if at < 0 {
			at += about.Size()
		}
		if _, wrong := file.WriteAt(data, at); err != nil || wrong != nil {
			t.Fatal(err, wrong)
		}
	}
}

// mirrored makes a device one half of a mirror of mdadm's format 1.0, whose superblock is at the end (linux/raid/md_p.h).
func mirrored(t *testing.T, size int64) func(path string) {
	block := make([]byte, 4096)
	place := (size<<20/512 - 16) &^ 7
	binary.LittleEndian.PutUint32(block[0:], 0xa92b4efc)
	binary.LittleEndian.PutUint32(block[4:], 1)
	copy(block[32:], "host:0")
	binary.LittleEndian.PutUint32(block[72:], 1)
	binary.LittleEndian.PutUint64(block[144:], uint64(place))
	var sum uint64
	for at := 0; at < 256; at += 4 {
		sum += uint64(binary.LittleEndian.Uint32(block[at:]))
	}
	binary.LittleEndian.PutUint32(block[216:], uint32(sum)+uint32(sum>>32))
	return written(t, place*512, block)
}

// lvm makes a device a physical volume (lib/format_text/layout.h of LVM2).
func lvm(t *testing.T) func(path string) {
	sector := make([]byte, 512)
	copy(sector[0:], "LABELONE")
	binary.LittleEndian.PutUint64(sector[8:], 1)
	binary.LittleEndian.PutUint32(sector[20:], 32)
	copy(sector[24:], "LVM2 001")
	copy(sector[32:], strings.Repeat("a", 32))
	// LVM's CRC begins with 0xf597a6cf and inverts nothing.
	binary.LittleEndian.PutUint32(sector[16:], ^crc32.Update(^uint32(0xf597a6cf), crc32.IEEETable, sector[20:]))
	return written(t, 512, sector)
}

// luks makes a device one that cryptsetup encrypted.
func luks(t *testing.T) func(path string) { return written(t, 0, []byte("LUKS\xba\xbe\x00\x01")) }

func TestWhatADeviceIsIsToldInLibblkidsWords(t *testing.T) {
	n := newNode(t)
	zeros := make([]byte, 1024)
	for _, test := range []struct {
		name string
		make func(path string)
		is   standing
		said string
	}{
		{"the state disk", n.ext4(usual), chosen, `ext4 "KUBEISO_STATE"`},
		{"ext2 does as well", n.formatted("mke2fs", "-q", "-F", "-t", "ext2", "-L", usual), chosen, `ext2 "KUBEISO_STATE"`},
		{"foreign", n.ext4("OTHER"), other, `ext4 "OTHER") has another label`},
		{"longer label", n.ext4(usual + "2"), other, "has another label"},
		{"half a mirror", both(n.ext4(usual, "-E", "root_owner=0:0"), mirrored(t, 200)), broken, "linux_raid_member \"host:0\") has an ext4 file system with the label inside"},
		{"another mirror", both(n.ext4("OTHER"), mirrored(t, 200)), other, `linux_raid_member "host:0") is something else`},
		{"LVM", both(n.ext4(usual), lvm(t)), broken, "inside, but is more than that"},
		{"LVM alone", lvm(t), other, "LVM2_member) is something else"},
		{"LUKS", both(n.ext4(usual), luks(t)), broken, "crypto_LUKS) has an ext4 file system with the label inside"},
		{"LUKS alone", luks(t), other, "crypto_LUKS) is something else"},
		{"two kinds", both(n.ext4(usual), written(t, 4086, []byte("SWAPSPACE2")), written(t, 1024, []byte("\x01\x00\x00\x00\xff\x07\x00\x00"))), broken, "has an ext4 file system with the label inside"},
		{"a superblock of zeros", both(n.ext4(usual), written(t, 1024, zeros)), broken, "damaged superblock) is labelled by what is left of it; kubeiso.state=repair"},
		{"another's superblock of zeros", both(n.ext4("OTHER"), written(t, 1024, zeros)), other, "had an ext4 file system"},
		{"blank", nothing, other, "blank"},
		{"data", written(t, 5000, []byte("x")), other, "is not blank: it has data at byte 5000"},
		{"data at the end", written(t, -10, []byte("x")), other, "is not blank: it has data at byte 209715190"},
	} {
		n.device("vdb", 200, test.make)
		found := n.see("vdb", wish{need: optional, label: usual})
		if found.is != test.is || !strings.Contains(found.String(), test.said) {
			t.Errorf("%s: %d, %s", test.name, found.is, found)
		}
	}
}

func TestAForeignFilesystemWithTheLabelIsNotTakenForNone(t *testing.T) {
	if _, err := exec.LookPath("mformat"); err != nil {
		t.Skip("mformat is not installed")
	}
	n := newNode(t)
	n.device("vdb", 64, func(path string) {
		tool(t, "mformat", "-i", path, "-T", "131072", "-h", "64", "-s", "32", "-v", "STATE", "::")
	})
	found := n.see("vdb", wish{need: optional, label: "STATE"})
	if found.is != broken || !strings.Contains(found.String(), `vfat "STATE") has the label, but is no ext4 file system`) {
		t.Errorf("%d, %s", found.is, found)
	}
}

func TestADeviceThatCannotBeReadIsNotTakenForNone(t *testing.T) {
	n := newNode(t)
	n.device("vdb", 64, nothing)
	path := n.devices.Path("vdb")
	// What reading the kernel's own address 0 gives is the same error as that of a bad sector.
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/self/mem", path); err != nil {
		t.Fatal(err)
	}
	found := n.see("vdb", wish{need: optional, label: usual})
	if found.is != broken || !strings.Contains(found.String(), "can't be read: "+unix.EIO.Error()) {
		t.Errorf("%d, %s", found.is, found)
	}
	_, err := n.finder((&recorder{}).system(), nothing).find(wish{need: optional, label: usual})
	if err == nil || !strings.Contains(err.Error(), unix.EIO.Error()) || !strings.Contains(err.Error(), "next: ") {
		t.Errorf("got %v", err)
	}
}

func TestADriveWithoutAMediumIsNothing(t *testing.T) {
	n := newNode(t)
	n.device("sda", 0, nothing)
	if found := n.see("sda", wish{label: usual}); found.is != other || found.kind != "empty" {
		t.Errorf("%d, %s", found.is, found)
	}
}

func TestAWriteProtectedDiskIsNotTaken(t *testing.T) {
	n := newNode(t)
	n.device("sda", 8, n.ext4(usual))
	n.attribute("sda", "ro", "1")
	_, err := n.finder((&recorder{}).system(), nothing).find(wish{need: optional, label: usual})
	if err == nil || !strings.Contains(err.Error(), "write-protected") {
		t.Errorf("got %v", err)
	}
}

func TestADiskIsChosenByItsUUIDWhereThatIsKnown(t *testing.T) {
	n := newNode(t)
	n.device("vdb", 8, n.ext4(usual))
	n.device("vdc", 8, n.ext4(usual, "-U", someUUID))
	wanted := wish{need: required, label: usual, uuid: someUUID}
	found := choose(n.survey([]string{"vdb", "vdc"}, wanted), wanted)
	if found.take == nil || found.take.path != n.devices.Path("vdc") {
		t.Errorf("got %+v", found)
	}
	if left := n.see("vdb", wanted); left.is != other || !strings.Contains(left.why, "has the label, but the UUID ") {
		t.Errorf("got %s", left)
	}
}

func TestTheDiskIsFoundByItsLabelAlsoInAPartition(t *testing.T) {
	n := newNode(t)
	n.device("vda", 8, nothing)
	n.device("vdb", 8, n.ext4("OTHER"))
	n.device("vdc1", 8, n.ext4(usual))
	n.device("loop0", 8, n.ext4(usual))
	n.device("sr0", 8, n.ext4(usual))
	found, err := n.finder((&recorder{}).system(), nothing).find(wish{need: optional, label: usual})
	if err != nil || found == nil || found.path != n.devices.Path("vdc1") || found.size != 8<<20 || found.content.size != 8<<20 {
		t.Errorf("%+v, %v", found, err)
	}
}

func TestOfTwoDisksNoneIsTakenUnlessPathOrSizeDecides(t *testing.T) {
	n := newNode(t)
	n.device("vdb", 8, n.ext4(usual))
	n.device("sda2", 16, n.ext4(usual))
	for _, test := range []struct {
		wanted wish
		want   string
	}{
		{wish{}, ""},
		{wish{path: n.devices.Path("vdb")}, "vdb"},
		{wish{smallest: 10 << 20}, "sda2"},
		{wish{smallest: 32 << 20}, ""},
	} {
		test.wanted.need, test.wanted.label = optional, usual
		found, err := n.finder((&recorder{}).system(), nothing).find(test.wanted)
		if test.want == "" {
			if err == nil || !strings.Contains(err.Error(), "sda2 and ") || !strings.Contains(err.Error(), "next: ") {
				t.Errorf("%+v: %v, %v", test, found, err)
			}
		} else if err != nil || found.path != n.devices.Path(test.want) {
			t.Errorf("%+v: %v, %v", test, found, err)
		}
	}
}

// The disk is taken, and its twin, which would be the first to be met, is told: two that look alike are told by their kinds.
func TestHalfAMirrorBesideTheDiskStopsTheBoot(t *testing.T) {
	n := newNode(t)
	n.device("vdb", 200, both(n.ext4(usual), mirrored(t, 200)))
	n.device("vdc", 200, both(n.ext4(usual), mirrored(t, 200)))
	_, err := n.finder((&recorder{}).system(), nothing).find(wish{need: optional, label: usual})
	if err == nil || strings.Count(err.Error(), "linux_raid_member") != 2 {
		t.Errorf("got %v", err)
	}
}

// What libblkid calls a damaged disk's content depends on its version; the real e2fsck mends it by the copy.
func TestADamagedSuperblockIsMendedWhenAskedFor(t *testing.T) {
	n := newNode(t)
	device := n.device("vdb", 200, both(n.ext4(usual), written(t, 1024, make([]byte, 1024))))
	wanted := usualWish(t, argument+"=repair")
	var said bytes.Buffer
	on := kernel(&said, nothing, time.Hour)
	on.mount = func(string, string, string, uintptr, string) error { return nil }
	if err := run(wanted, n.finder(on, nothing), t.TempDir(), release{}, &said); err != nil {
		t.Fatalf("%v\n%s", err, &said)
	}
	if found := n.see("vdb", usualWish(t, "")); found.is != chosen || !slices.Contains(extKinds, strings.Fields(found.kind)[0]) {
		t.Errorf("%s is %s\n%s", device, found, &said)
	}
}

func TestADiskThatIsReachedByTwoWaysIsOne(t *testing.T) {
	n := newNode(t)
	wanted := usualWish(t, "")
	path := n.device("sda", 100, n.ext4(usual))
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	n.device("sdb", 100, written(t, 0, data))
	n.device("sdc", 100, n.ext4(usual))
	n.device("sdd", 100, func(string) {})
	n.device("sde", 100, func(string) {})
	seen := func(same ...string) (kinds string) {
		for _, name := range []string{"sda", "sdb", "sdc", "sdd", "sde"} {
			id := "naa.600" + name
			if slices.Contains(same, name) {
				id = "naa.6001"
			}
			n.attribute(name, "device/wwid", id)
		}
		for _, each := range n.survey(n.devices.Names(), wanted) {
			kinds += " " + strings.TrimPrefix(each.path, n.devices.Dev+"/")
		}
		return kinds
	}
	for told, same := range map[string][]string{
		" sda sdb sdc sdd sde": nil,
		" sda sdc sdd sde":     {"sda", "sdb"},
		" sda sdb sdc sdd":     {"sdd", "sde"},
	} {
		if kinds := seen(same...); kinds != told {
			t.Errorf("of %v one: seen%s, not%s", same, kinds, told)
		}
	}
	if kinds := seen("sda", "sdb", "sdc", "sdd", "sde"); kinds != " sda sdc sdd" {
		t.Errorf("hardware that calls all its disks alike hides those with other contents: seen%s", kinds)
	}
	if found := choose(n.survey([]string{"sda", "sdb"}, wanted), wanted); found.take == nil {
		t.Errorf("it is not taken: %+v", found)
	}
}
