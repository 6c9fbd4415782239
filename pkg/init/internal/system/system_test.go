package system

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFillVar(t *testing.T) {
	dir := t.TempDir()
	for range 2 {
		if err := FillVar(dir); err != nil {
			t.Fatal(err)
		}
	}
	for name, want := range map[string]os.FileMode{"tmp": 0o777 | os.ModeSticky | os.ModeDir, "empty": 0o555 | os.ModeDir, "log": 0o755 | os.ModeDir} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	if target, err := os.Readlink(filepath.Join(dir, "run")); target != "/run" || err != nil {
		t.Errorf("run points to %q, %v", target, err)
	}
}

func TestEnableControllers(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "cgroup.controllers"), "cpuset memory\n")
	if err := enableControllers(dir); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(filepath.Join(dir, "cgroup.subtree_control")); string(text) != "+memory" {
		t.Errorf("last write %q", text)
	}
	if err := enableControllers(t.TempDir()); err == nil {
		t.Error("no cgroup2 mount is no error")
	}
}

func TestConfiguredModules(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "b.conf"), "overlay\nbr_netfilter")
	write(t, filepath.Join(dir, "a.conf"), "# ours\n\n  ip_vs  \n;old\noverlay\n")
	write(t, filepath.Join(dir, "c.txt"), "no")
	if got := configuredModules(dir); !reflect.DeepEqual(got, []string{"ip_vs", "overlay", "br_netfilter"}) {
		t.Errorf("got %v", got)
	}
}

func TestParseUevent(t *testing.T) {
	tests := []struct {
		message string
		want    map[string]string
	}{
		{"add@/devices/x\x00ACTION=add\x00MODALIAS=pci:v1\x00SUBSYSTEM=pci\x00",
			map[string]string{"ACTION": "add", "MODALIAS": "pci:v1", "SUBSYSTEM": "pci"}},
		{"libudev\x00ACTION=add\x00", nil},
		{"", nil},
	}
	for _, test := range tests {
		if got := parseUevent([]byte(test.message)); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%q: got %v", test.message, got)
		}
	}
}

func TestHostname(t *testing.T) {
	dir := t.TempDir()
	empty := write(t, filepath.Join(dir, "empty"), " \n")
	full := write(t, filepath.Join(dir, "full"), "master-1\n")
	for want, files := range map[string][]string{
		"master-1": {filepath.Join(dir, "none"), empty, full}, "": {empty},
	} {
		if got := firstName(files); got != want {
			t.Errorf("%v: got %q", files, got)
		}
	}
}

func TestNameOfHardware(t *testing.T) {
	tests := []struct {
		name      string
		addresses map[string]string
		want      string
	}{
		{"eth0 first", map[string]string{"eth0": "52:54:00:12:34:56", "aaa0": "1:1"}, "linuxkit-525400123456"},
		{"first by name", map[string]string{"ens4": "02:00:00:00:00:04", "ens3": "02:00:00:00:00:03"}, "linuxkit-020000000003"},
		{"no address", map[string]string{"eth0": "00:00:00:00:00:00"}, ""},
		{"none", nil, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, address := range test.addresses {
				write(t, filepath.Join(dir, name, "address"), address+"\n")
				write(t, filepath.Join(dir, name, "device"), "")
			}
			write(t, filepath.Join(dir, "lo/address"), "00:00:00:00:00:00")
			write(t, filepath.Join(dir, "bond0/address"), "0a:00:00:00:00:01")
			if got := nameOfHardware(dir); got != test.want {
				t.Errorf("got %q", got)
			}
		})
	}
}

func TestMakeResolvConf(t *testing.T) {
	dir := t.TempDir()
	link, target := filepath.Join(dir, "resolv.conf"), filepath.Join(dir, "run/resolvconf/resolv.conf")
	if err := os.Symlink("run/resolvconf/resolv.conf", link); err != nil {
		t.Fatal(err)
	}
	if err := MakeResolvConf(link); err != nil {
		t.Fatal(err)
	}
	write(t, target, "nameserver 10.0.0.1\n")
	if err := MakeResolvConf(link); err != nil {
		t.Fatal(err)
	}
	if text, _ := os.ReadFile(target); string(text) != "nameserver 10.0.0.1\n" {
		t.Errorf("content lost: %q", text)
	}
	if err := MakeResolvConf(write(t, filepath.Join(dir, "plain"), "x")); err != nil {
		t.Errorf("plain file: %v", err)
	}
}

func TestMachine(t *testing.T) {
	if got := memoryMiB("MemTotal:        1014068 kB\nMemFree: 1 kB\n"); got != 990 {
		t.Errorf("memory %d", got)
	}
	if got := memoryMiB("nothing"); got != 0 {
		t.Errorf("memory %d", got)
	}
	got := rtcTime(&unix.RTCTime{Year: 126, Mon: 1, Mday: 28, Hour: 23, Min: 59, Sec: 58})
	if want := time.Date(2026, 2, 28, 23, 59, 58, 0, time.UTC); !got.Equal(want) {
		t.Errorf("got %v", got)
	}
}

func TestNumber(t *testing.T) {
	for cmdline, want := range map[string]int{
		"":                           60,
		"quiet kubeiso.watchdog=0\n": 0,
		"kubeiso.watchdog=30 kubeiso.watchdog=120": 120,
		"kubeiso.watchdog=soon":                    60,
		"kubeiso.watchdog=-1 xkubeiso.watchdog=5":  60,
	} {
		if got := Number(cmdline, "kubeiso.watchdog", 60); got != want {
			t.Errorf("%q: got %d", cmdline, got)
		}
	}
}
