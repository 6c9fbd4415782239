package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kubeiso.dev/pkg/initrd/blockdev"
)

// fat gives a FAT file system's first part: its boot sector with a label, and a root folder with these entries.
func fat(wide bool, inBoot string, folder ...string) []byte {
	data := make([]byte, 64<<10)
	u16 := func(at int, number uint16) { binary.LittleEndian.PutUint16(data[at:], number) }
	u16(bytesPerSector, 512)
	data[sectorsPerCluster], data[numberOfFATs], data[mediaByte] = 4, 2, 0xf8
	u16(reservedSectors, 1)
	data[bootSignature], data[bootSignature+1] = 0x55, 0xaa
	root, label := (1+2*9)*512, bootLabel16
	if wide {
		label = bootLabel32
		binary.LittleEndian.PutUint32(data[fatSize32:], 9)
		binary.LittleEndian.PutUint32(data[rootCluster:], 3)
		root += 4 * 512 // cluster 3 is the second one
	} else {
		u16(rootEntries, 224)
		u16(fatSize16, 9)
	}
	copy(data[label:], inBoot+strings.Repeat(" ", labelLength-len(inBoot)))
	for i, each := range folder {
		copy(data[root+i*entrySize:], each)
	}
	return data
}

// folderEntry gives an entry of a FAT folder.
func folderEntry(name string, kind byte) string {
	return name + strings.Repeat(" ", labelLength-len(name)) + string(rune(kind))
}

func TestFATLabel(t *testing.T) {
	long, file := folderEntry("B", isLongName), folderEntry("META-D~1", 0x20)
	gone := "\xe5" + folderEntry("OLD", isLabel)[1:]
	tests := []struct {
		name, want string
		data       []byte
	}{
		{"in the boot sector", "CIDATA", fat(false, "CIDATA")},
		{"in the folder", "CIDATA", fat(false, "NO NAME", long, file, folderEntry("CIDATA", isLabel))},
		{"in the folder, and with the archive bit", "cidata", fat(false, "NO NAME", folderEntry("cidata", isLabel|0x20))},
		{"changed", "CIDATA", fat(false, "OTHER", gone, folderEntry("CIDATA", isLabel))},
		{"FAT32, boot sector", "CIDATA", fat(true, "CIDATA", file)},
		{"FAT32, folder", "CIDATA", fat(true, "NO NAME", folderEntry("CIDATA", isLabel))},
		{"full length", "ELEVENCHARS", fat(false, "ELEVENCHARS")},
	}
	for _, test := range tests {
		if got, err := fatLabel(bytes.NewReader(test.data)); got != test.want || err != nil {
			t.Errorf("%s: got %q, %v", test.name, got, err)
		}
	}
}

func TestNoFAT(t *testing.T) {
	noFATs := fat(false, "CIDATA")
	noFATs[numberOfFATs] = 0
	noSignature := fat(false, "CIDATA")
	noSignature[bootSignature] = 0
	for name, data := range map[string][]byte{"empty": nil, "zeros": make([]byte, 4096), "short": fat(false, "A")[:100], "NTFS": noFATs, "none": noSignature} {
		if got, err := fatLabel(bytes.NewReader(data)); !errors.Is(err, errNoFAT) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	if got, err := fatLabel(bytes.NewReader(fat(false, "CIDATA")[:512])); got != "CIDATA" || err != nil {
		t.Errorf("cut before its folder: got %q, %v", got, err)
	}
}

func TestLabelsThatToolsWrite(t *testing.T) {
	mformat, err := exec.LookPath("mformat")
	if err != nil {
		t.Skip("mformat is not installed")
	}
	for name, arguments := range map[string][]string{
		"FAT12": {"-f", "1440"}, "FAT16": {"-T", "40960", "-h", "64", "-s", "32"}, "FAT32": {"-F", "-T", "131072", "-h", "64", "-s", "32"},
	} {
		image := filepath.Join(t.TempDir(), "image")
		arguments = append(append([]string{"-C", "-i", image}, arguments...), "-v", "CIDATA", "::")
		if said, err := exec.Command(mformat, arguments...).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", name, err, said)
		}
		if kind, label := identify(image); kind != "vfat" || label != "CIDATA" {
			t.Errorf("%s: got %q, %q", name, kind, label)
		}
	}
}

// iso gives a volume descriptor of ISO 9660 with that label.
func iso(label string) []byte {
	data := make([]byte, 17*2048)
	copy(data[16*2048:], "\x01CD001\x01")
	copy(data[16*2048+40:], label+strings.Repeat(" ", 32-len(label)))
	return data
}

// fakeNode is a folder for block devices and one as /sys has it. A device "sda/sda1" is a partition.
func fakeNode(t *testing.T, devices map[string][]byte) finder {
	t.Helper()
	base := t.TempDir()
	for name, data := range devices {
		addDevice(t, base, name, data)
	}
	return finder{blockdev.System{Sysfs: filepath.Join(base, "sys"), Dev: filepath.Join(base, "dev")}}
}

func addDevice(t *testing.T, base, name string, data []byte) {
	t.Helper()
	short, real := filepath.Base(name), filepath.Join(base, "sys/devices", name)
	class, dev := filepath.Join(base, "sys/class/block"), filepath.Join(base, "dev")
	err := errors.Join(os.MkdirAll(real, 0o700), os.MkdirAll(class, 0o700), os.MkdirAll(dev, 0o700))
	if strings.Contains(name, "/") {
		err = errors.Join(err, os.WriteFile(filepath.Join(real, "partition"), nil, 0o600))
	}
	err = errors.Join(err, os.WriteFile(filepath.Join(dev, short), data, 0o600), os.Symlink(real, filepath.Join(class, short)))
	if err != nil {
		t.Fatal(err)
	}
}

func TestTheVolumeIsFound(t *testing.T) {
	tests := []struct {
		name    string
		devices map[string][]byte
		want    string // the device and its kind, or a part of the error
	}{
		{"ISO 9660", map[string][]byte{"sr0": iso("cidata"), "vda": iso("KUBEISO")}, "sr0 (iso9660)"},
		{"FAT in a partition", map[string][]byte{"vdb": nil, "vdb/vdb1": fat(true, "CIDATA")}, "vdb1 (vfat)"},
		{"a disk that is its own partition", map[string][]byte{"sda": iso("CIDATA"), "sda/sda1": iso("CIDATA")}, "sda (iso9660)"},
		{"LinuxKit's label", map[string][]byte{"sr0": iso("config"), "vda": iso("KUBEISO")}, "sr0 (iso9660)"},
		{"LinuxKit's label beside the other", map[string][]byte{"sr0": iso("config"), "vda": iso("cidata")}, "vda (iso9660)"},
		{"two", map[string][]byte{"vda": iso("CIDATA"), "vdb": fat(false, "cidata")}, "more than one volume"},
		{"a config drive", map[string][]byte{"sr0": iso("config-2"), "vda": iso("config")}, "sr0 (iso9660)"},
		{"a config drive beside cidata", map[string][]byte{"sr0": iso("config-2"), "vda": fat(false, "cidata")}, "vda (vfat)"},
		{"two config drives", map[string][]byte{"sr0": iso("config-2"), "vda": fat(false, "CONFIG-2")}, "more than one volume has the label config-2"},
		{"an OVF environment", map[string][]byte{"sr0": iso("OVF ENV"), "vda": iso("config")}, "sr0 (iso9660)"},
		{"none", map[string][]byte{"vda": iso("CIDATA2"), "vdb": nil}, "no volume has the label cidata, config-2 or OVF ENV; looked at: [vda vdb]"},
		{"what is no medium", map[string][]byte{"loop0": iso("CIDATA"), "fd0": iso("CIDATA")}, "looked at: []"},
	}
	for _, test := range tests {
		begin := time.Now()
		node := fakeNode(t, test.devices)
		all, err := node.find()
		var found volume
		if len(all) > 0 {
			found = all[0]
		}
		got := strings.TrimPrefix(found.String(), node.devices.Dev+"/")
		if err == nil && got != test.want || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %q, %v", test.name, got, err)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("%s: it took %s", test.name, took)
		}
	}
}

func TestALateVolumeIsFound(t *testing.T) {
	node := fakeNode(t, map[string][]byte{"vda": nil})
	base := filepath.Dir(node.devices.Dev)
	usb := filepath.Join(node.devices.Sysfs, "bus/usb/drivers/usb-storage/1-1:1.0/host6")
	if err := os.MkdirAll(usb, 0o700); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		time.Sleep(3 * blockdev.Quiet)
		addDevice(t, base, "sda", iso("cidata"))
		if err := os.Mkdir(filepath.Join(usb, "target6:0:0"), 0o700); err != nil {
			t.Error(err)
		}
	}()
	found, err := node.find()
	<-done
	if err != nil || found[0].kind != "iso9660" {
		t.Errorf("got %v, %v", found, err)
	}
}

func TestAVolumeThatCannotBeReadIsNone(t *testing.T) {
	if kind, label := identify(filepath.Join(t.TempDir(), "none")); kind != "" || label != "" {
		t.Errorf("got %q, %q", kind, label)
	}
	if _, err := fatLabel(brokenDevice{}); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
}

func TestADeviceThatGivesNoBytesIsNamed(t *testing.T) {
	place := t.TempDir()
	for name, content := range map[string]string{"sda": "short", "sdb": ""} {
		if err := os.WriteFile(filepath.Join(place, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("/proc/self/mem", filepath.Join(place, "sdc")); err != nil { // whose first page gives EIO
		t.Fatal(err)
	}
	on := finder{blockdev.System{Dev: place}}
	found := on.unreadable([]string{"sda", "sdb", "sdc", "sr0"})
	if len(found) != 1 || !strings.HasPrefix(found[0], "sdc, which can't be read: ") {
		t.Errorf("got %q", found)
	}
}

type brokenDevice struct{}

func (brokenDevice) ReadAt([]byte, int64) (int, error) { return 0, io.ErrClosedPipe }

func TestAVolumeThatIsCalledConfigByChanceIsNone(t *testing.T) {
	chance, meant := volume{"/dev/sda1", "vfat", linuxkitLabel}, volume{"/dev/sr0", "iso9660", linuxkitLabel}
	read := func(from volume) (contents, error) {
		if from == meant {
			return contents{source: from.device}, nil
		}
		return contents{}, errNoFiles
	}
	if held, err := readFirst([]volume{chance, meant}, read); err != nil || held.source != "/dev/sr0" {
		t.Errorf("got %v, %v", held, err)
	}
	if _, err := readFirst([]volume{chance}, read); !errors.Is(err, errNoVolume) {
		t.Errorf("got %v", err)
	}
	if _, err := readFirst([]volume{{"/dev/sr0", "iso9660", volumeLabel}}, read); !errors.Is(err, errNoFiles) || errors.Is(err, errNoVolume) {
		t.Errorf("a volume with the label cidata: got %v", err)
	}
}

func TestAFileThatCannotBeReadIsAFault(t *testing.T) {
	from := t.TempDir()
	err := errors.Join(os.Mkdir(filepath.Join(from, "user-data"), 0o700), os.WriteFile(filepath.Join(from, "meta-data"), []byte("a: b"), 0o600))
	if err != nil {
		t.Fatal(err)
	}
	held, err := readFolder(from, from)
	if err != nil || len(held.faults) != 1 || string(held.files["meta-data"]) != "a: b" {
		t.Errorf("got %v, %v", held, err)
	}
}
