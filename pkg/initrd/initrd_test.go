package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/initrd/blockdev"
)

func write(t *testing.T, path, text string) string {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestReadConfig(t *testing.T) {
	hash := strings.Repeat("0", 64)
	roots := `"roots":[{"blocks":1,"hash":"` + hash + `"}]`
	tests := []struct{ name, text, problem string }{
		{"good", `{"label":"KUBEISO_X","layers":["kubeiso/layer-0.squashfs"],"digests":["00"],` + roots + `,"load":["loop"]}`, ""},
		{"a root too few", `{"label":"X","layers":["a"],"digests":["00"]}`, "0 roots of 1 layers"},
		{"no blocks", `{"label":"X","layers":["a"],"digests":["00"],"roots":[{"hash":"` + hash + `"}]}`, "0 blocks"},
		{"no root", `{"label":"X","layers":["a"],"digests":["00"],"roots":[{"blocks":1,"hash":"00"}]}`, "no SHA-256"},
		{"a digest too few", `{"label":"X","layers":["a","b"],"digests":["00"]}`, "1 digests of 2 layers"},
		{"no label", `{"layers":["a"]}`, "label"},
		{"long label", `{"label":"` + strings.Repeat("x", 33) + `","layers":["a"]}`, "label"},
		{"no layers", `{"label":"X"}`, "layers"},
		{"path leaves the medium", `{"label":"X","layers":["../a"],"digests":["00"],` + roots + `}`, `layer "../a"`},
		{"absolute path", `{"label":"X","layers":["/a"],"digests":["00"],` + roots + `}`, `layer "/a"`},
		{"no JSON", `label`, "invalid character"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got, err := readConfig(write(t, filepath.Join(t.TempDir(), "c.json"), test.text))
			if test.problem == "" {
				if err != nil || got.Label != "KUBEISO_X" || len(got.Layers) != 1 || got.Load[0] != "loop" {
					t.Errorf("got %+v, %v", got, err)
				}
			} else if err == nil || !strings.Contains(err.Error(), test.problem) {
				t.Errorf("error %v does not name %s", err, test.problem)
			}
		})
	}
	if _, err := readConfig(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing file gave %v", err)
	}
}

func TestArguments(t *testing.T) {
	path := write(t, filepath.Join(t.TempDir(), "cmdline"), "console=tty0 console=ttyS0 kubeiso.probe init=/bin/sh\n")
	line := readArguments(path)
	if !line.has("kubeiso.probe") || line.has("kubeiso") || line.has("console") {
		t.Error("has finds the wrong words")
	}
	for key, want := range map[string]string{"console": "ttyS0", "init": "/bin/sh", "kubeiso.probe": "", "x": ""} {
		if got := line.value(key); got != want {
			t.Errorf("%s: got %q, want %q", key, got, want)
		}
	}
	for text, want := range map[string]time.Duration{
		"": 5 * time.Minute, "kubeiso.medium_timeout=20": 20 * time.Second, "kubeiso.medium_timeout=x": 5 * time.Minute,
	} {
		if got := (arguments{text}).mediumTimeout(); got != want {
			t.Errorf("%q: got %v, want %v", text, got, want)
		}
	}
}

func TestOverlayOptions(t *testing.T) {
	if got := overlayOptions([]string{"/layers/0", "/layers/1", "/layers/2"}); got != "xino=on,lowerdir=/layers/2:/layers/1:/layers/0" {
		t.Errorf("got %s", got)
	}
}

func TestLook(t *testing.T) {
	sysfs, dev := t.TempDir(), t.TempDir()
	volume := make([]byte, 20*2048)
	copy(volume[16*2048:], "\x01CD001\x01")
	copy(volume[16*2048+40:], "KUBEISO_X                       ")
	for name, content := range map[string]string{
		"sda": "short", "sdb": string(volume), "sdb1": string(volume), "loop0": string(volume), "fd0": "",
	} {
		write(t, filepath.Join(sysfs, "class/block", name), "")
		write(t, filepath.Join(dev, name), content)
	}
	write(t, filepath.Join(sysfs, "class/block/sr0"), "")
	found := look(blockdev.System{Sysfs: sysfs, Dev: dev})
	if got := found.withLabel("KUBEISO_X"); strings.Join(got, " ") != "sdb1 sdb" {
		t.Errorf("label found on %v", got)
	}
	if got := found.withLabel("KUBEISO"); got != nil {
		t.Errorf("part of a label found on %v", got)
	}
	want := `sda: no ISO 9660 volume, sdb: "KUBEISO_X", sdb1: "KUBEISO_X", sr0: ` + unix.ENOENT.Error()
	if got := found.String(); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if got := look(blockdev.System{Sysfs: t.TempDir(), Dev: dev}).String(); got != "no block devices" {
		t.Errorf("empty machine: %s", got)
	}
}
