package node

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"kubeiso.dev/pkg/initrd/console"
)

// records gives one record for each read, as the kernel does.
type records []string

func (r *records) Read(into []byte) (int, error) {
	if len(*r) == 0 {
		return 0, io.EOF
	}
	count := copy(into, (*r)[0])
	*r = (*r)[1:]
	return count, nil
}

func TestADamagedLayerIsToldOnce(t *testing.T) {
	sys := t.TempDir()
	for device, layer := range map[string]string{"7:1": "layer-a.squashfs", "7:2": "layer-b.squashfs"} {
		loop := filepath.Join(sys, "dev/block", device, "loop")
		if err := errors.Join(os.MkdirAll(loop, 0o700), os.WriteFile(filepath.Join(loop, "backing_file"), []byte("/m/"+layer+"\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	messages := records{
		"6,1,1,-;loop: module loaded\n",
		"3,2,2,-;device-mapper: verity: 7:1: data block 17 is corrupted\n",
		"3,3,3,-;device-mapper: verity: 7:1: data block 18 is corrupted\n",
		"3,4,4,-;device-mapper: verity: 7:2: metadata block 5 is corrupted\n",
	}
	var out bytes.Buffer
	followDamage(&messages, sys, console.New(&out), func(time.Duration) {})
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("got %q", lines)
	}
	for number, want := range []string{"layer-a.squashfs on the medium is damaged (block 17)", "layer-b.squashfs on the medium is damaged (block 5)"} {
		if !strings.Contains(lines[number], want) || !strings.Contains(lines[number], `"state":"failed"`) {
			t.Errorf("line %d is %q", number, lines[number])
		}
	}
}
