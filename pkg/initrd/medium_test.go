package main

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kubeiso.dev/pkg/initrd/console"
)

// late is a machine whose medium comes at that look, and can be mounted from another one on.
func late(out *console.Console, comes, mounts int) search {
	looks := 0
	return search{
		out: out, timeout: 30 * time.Millisecond, pause: time.Millisecond, often: time.Millisecond, seldom: 5 * time.Millisecond,
		look: func() devices {
			looks++
			if looks < comes {
				return devices{"sda": "no ISO 9660 volume"}
			}
			return devices{"sda": "no ISO 9660 volume", "sr0": quote("KUBEISO_X")}
		},
		mount: func(device string, layers []string) error {
			if device != "sr0" || len(layers) != 1 {
				return errors.New("not this one")
			}
			if looks < mounts {
				return errors.New("label fits, but mounting failed: input/output error")
			}
			return nil
		},
	}
}

func TestAMediumThatIsThereIsTaken(t *testing.T) {
	var told bytes.Buffer
	late(console.New(&told), 1, 1).find("KUBEISO_X", []string{"a"})
	if text := told.String(); strings.Count(text, "\n") != 1 || !strings.Contains(text, `"stage":"medium","name":"KUBEISO_X","state":"ok"`) {
		t.Error(text)
	}
}

func TestAMediumThatComesAfterItsTimeIsTakenStill(t *testing.T) {
	var told bytes.Buffer
	late(console.New(&told), 100, 120).find("KUBEISO_X", []string{"a"})
	text := told.String()
	failed, ok := strings.Index(text, `"state":"failed"`), strings.Index(text, `"state":"ok"`)
	if failed < 0 || ok < failed || strings.Count(text, `"state":"failed"`) != 1 {
		t.Error(text)
	}
	for _, want := range []string{"no medium with label KUBEISO_X after", "sda: no ISO 9660 volume", "starts as soon as it is there", "input/output error"} {
		if !strings.Contains(text, want) {
			t.Errorf("not told: %s\n%s", want, text)
		}
	}
}

func TestLayersAreCopiedWhole(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "ram")
	write(t, filepath.Join(from, "kubeiso/layer-0.squashfs"), strings.Repeat("0", 5000))
	write(t, filepath.Join(from, "kubeiso/layer-1.squashfs"), strings.Repeat("1", 3000))
	layers := []string{"kubeiso/layer-0.squashfs", "kubeiso/layer-1.squashfs"}
	room := func(target string, size int64) error {
		if size != 8000 {
			t.Errorf("room for %d bytes", size)
		}
		return os.MkdirAll(target, 0o755)
	}
	size, err := copyLayers(from, to, layers, room, func(int64, int64) {})
	if err != nil || size != 8000 {
		t.Fatal(size, err)
	}
	for _, layer := range layers {
		one, _ := os.ReadFile(filepath.Join(from, layer))
		other, _ := os.ReadFile(filepath.Join(to, layer))
		if !bytes.Equal(one, other) || len(one) == 0 {
			t.Errorf("%s differs", layer)
		}
	}
}

func TestWithoutRoomNothingIsCopied(t *testing.T) {
	from, to := t.TempDir(), filepath.Join(t.TempDir(), "ram")
	write(t, filepath.Join(from, "a"), "text")
	none := func(string, int64) error { return errors.New("no memory") }
	if _, err := copyLayers(from, to, []string{"a"}, none, nil); err == nil || err.Error() != "no memory" {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(to); !errors.Is(err, os.ErrNotExist) {
		t.Error("something was copied")
	}
	if err := mountMemory(to, 1<<50); err == nil || !strings.Contains(err.Error(), "of free memory") {
		t.Errorf("a machine with 1 PiB of memory: %v", err)
	}
}

func TestAMeterTellsNowAndThen(t *testing.T) {
	var told []int64
	progress := &meter{all: 100, told: time.Now(), tell: func(done, _ int64) { told = append(told, done) }}
	_, _ = progress.Write(make([]byte, 30))
	progress.told = time.Now().Add(-2 * copyPeriod)
	_, _ = progress.Write(make([]byte, 30))
	_, _ = progress.Write(make([]byte, 30))
	if len(told) != 1 || told[0] != 60 {
		t.Errorf("told %v", told)
	}
}
