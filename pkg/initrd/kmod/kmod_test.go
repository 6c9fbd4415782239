package kmod

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"golang.org/x/sys/unix"
)

const testDep = `kernel/fs/overlayfs/overlay.ko:
kernel/drivers/scsi/sr_mod.ko: kernel/drivers/scsi/scsi_mod.ko kernel/drivers/cdrom/cdrom.ko kernel/drivers/scsi/scsi_common.ko
kernel/drivers/cdrom/cdrom.ko:
kernel/drivers/scsi/scsi_mod.ko: kernel/drivers/scsi/scsi_common.ko
kernel/drivers/scsi/scsi_common.ko:
kernel/drivers/net/virtio-net.ko.xz: kernel/net/failover.ko
kernel/net/failover.ko:
kernel/lib/libcrc32c.ko:
kernel/crypto/crc32c-intel.ko:
kernel/crypto/crc32c_generic.ko:
`

const testAlias = `# Aliases extracted from modules themselves.
alias fs-overlay overlay
alias scsi:t-0x05* sr_mod
alias virtio:d00000001v* virtio_net
alias usb:v0781p[0-9A-F]*d01[0-2]*dc* usb-test
alias dmi*:svnA/B:* dmi_test
alias crc32c crc32c_intel
alias crc32c crc32c_generic
alias cpu:type:x86* crc32c_intel
alias pci:v00008086d*sv*sd*bc03sc*i* denied
`

const testSoftdep = `softdep libcrc32c pre: crc32c
softdep overlay pre: nowhere post: failover
`

// testIndex gives an index read from files.
func testIndex(t *testing.T) *Index {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"modules.dep": testDep, "modules.alias": testAlias, "modules.softdep": testSoftdep,
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	index, err := ReadIndex(dir)
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func TestAliasLookup(t *testing.T) {
	index := testIndex(t)
	tests := []struct {
		alias string
		want  []string
	}{
		{"fs-overlay", []string{"overlay"}},
		{"fs_overlay", []string{"overlay"}},
		{"scsi:t-0x05", []string{"sr_mod"}},
		{"scsi:t-0x00", nil},
		{"virtio:d00000001v00001AF4", []string{"virtio_net"}},
		{"usb:v0781p5581d0110dc00", []string{"usb_test"}},
		{"usb:v0781p5581d0130dc00", nil},
		{"dmi:bvnX:svnA/B:pnC/D:", []string{"dmi_test"}},
		{"crc32c", []string{"crc32c_intel", "crc32c_generic"}},
		{"", nil},
	}
	for _, test := range tests {
		if got := index.aliases.lookup(test.alias); !slices.Equal(got, test.want) {
			t.Errorf("%q: got %v, want %v", test.alias, got, test.want)
		}
	}
}

// recorder is a kernel that takes every module, but those it has an error for.
type recorder struct {
	order  []string
	params map[string]string
	errors map[string]error
}

func (r *recorder) insert(path, parameters string) error {
	name := nameOf(path)
	r.order = append(r.order, name)
	r.params[name] = parameters
	return r.errors[name]
}

func newRecorder(t *testing.T, options *Options) (*recorder, *Loader) {
	kernel := &recorder{params: map[string]string{}, errors: map[string]error{}}
	return kernel, newLoader(testIndex(t), options, kernel.insert)
}

func noOptions(t *testing.T) *Options {
	options, err := ReadOptions(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	return options
}

func TestLoadOrder(t *testing.T) {
	tests := []struct {
		name string
		want []string
	}{
		{"sr_mod", []string{"scsi_common", "cdrom", "scsi_mod", "sr_mod"}},
		{"virtio-net", []string{"failover", "virtio_net"}},
		{"virtio_net", []string{"failover", "virtio_net"}},
		{"libcrc32c", []string{"crc32c_intel", "crc32c_generic", "libcrc32c"}},
		{"overlay", []string{"overlay", "failover"}},
		{"fs-overlay", []string{"overlay", "failover"}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			kernel, loader := newRecorder(t, noOptions(t))
			if err := errors.Join(loader.Load(test.name), loader.Load(test.name)); err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(kernel.order, test.want) || loader.Loaded() != len(test.want) {
				t.Errorf("got %v (%d), want %v", kernel.order, loader.Loaded(), test.want)
			}
		})
	}
}

func TestLoadErrors(t *testing.T) {
	kernel, loader := newRecorder(t, noOptions(t))
	kernel.errors = map[string]error{"cdrom": unix.EEXIST, "failover": unix.ENODEV}
	if err := loader.Load("sr_mod"); err != nil {
		t.Errorf("a loaded dependency is an error: %v", err)
	}
	if err := loader.Load("virtio_net"); !errors.Is(err, unix.ENODEV) {
		t.Errorf("failed dependency gave %v", err)
	}
	if slices.Contains(kernel.order, "virtio_net") {
		t.Error("a module was loaded without what it needs")
	}
	if err := loader.Load("nothing"); !errors.Is(err, ErrNotFound) {
		t.Errorf("missing module gave %v", err)
	}
}

func TestPlugHonoursOptions(t *testing.T) {
	dir := t.TempDir()
	text := "# ours\nblacklist sr_mod\noptions overlay a=1 b=2\n"
	if err := os.WriteFile(filepath.Join(dir, "x.conf"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	options, err := ReadOptions(dir, "quiet console=ttyS0,115200 modprobe.blacklist=denied,virtio-net overlay.metacopy=N")
	if err != nil {
		t.Fatal(err)
	}
	kernel, loader := newRecorder(t, options)
	for _, alias := range []string{"scsi:t-0x05", "virtio:d00000001v1", "pci:v00008086d1sv1sd1bc03sc00i00", "fs-overlay"} {
		loader.Plug(alias)
	}
	if want := []string{"overlay", "failover"}; !slices.Equal(kernel.order, want) {
		t.Errorf("plugged %v, want %v", kernel.order, want)
	}
	if got := kernel.params["overlay"]; got != "a=1 b=2 metacopy=N" {
		t.Errorf("parameters %q", got)
	}
	if err := loader.Load("sr_mod"); err != nil || !slices.Contains(kernel.order, "sr_mod") {
		t.Errorf("loading by name: %v", err)
	}
}

func TestColdplug(t *testing.T) {
	sysfs := t.TempDir()
	for path, text := range map[string]string{
		"bus/scsi/devices/0:0:0:0/modalias": "scsi:t-0x05\n",
		"bus/pci/devices/1/modalias":        "pci:v1\n",
		"class/input/input0/modalias":       "fs-overlay\n",
		"devices/system/cpu/modalias":       "cpu:type:x86\n",
	} {
		full := filepath.Join(sysfs, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(full), 0o700), os.WriteFile(full, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	kernel, loader := newRecorder(t, noOptions(t))
	loader.Coldplug(sysfs)
	loader.Coldplug(sysfs)
	want := []string{"scsi_common", "cdrom", "scsi_mod", "sr_mod", "overlay", "failover"}
	if !slices.Equal(kernel.order, want) {
		t.Errorf("loaded %v, want %v", kernel.order, want)
	}
	loader.ColdplugProcessor(sysfs)
	if want = append(want, "crc32c_intel"); !slices.Equal(kernel.order, want) {
		t.Errorf("with the processor's %v, want %v", kernel.order, want)
	}
}

func TestKernelWithoutModules(t *testing.T) {
	index, err := ReadIndex(filepath.Join(t.TempDir(), "none"))
	if err != nil || index.Has("overlay") {
		t.Errorf("missing index: %v", err)
	}
}
