package verity

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Damage is a block of a layer that is not what it was when the medium was made, or can't be read.
type Damage struct {
	Layer string
	Block int64
}

func (d Damage) Error() string {
	return fmt.Sprintf("%s on the medium is damaged (block %d): write the medium anew, or take another one", d.Layer, d.Block)
}

// told are the kernel's words (verity_handle_err in drivers/md/dm-verity-target.c), with the number of the device below.
var told = regexp.MustCompile(`device-mapper: verity: (\d+:\d+): (?:data|metadata) block (\d+) is corrupted`)

// Read gives the damage that a message of the kernel tells of, or none. sys is where sysfs is mounted.
func Read(message, sys string) *Damage {
	found := told.FindStringSubmatch(message)
	if found == nil {
		return nil
	}
	block, _ := strconv.ParseInt(found[2], 10, 64)
	return &Damage{Layer: backing(sys, found[1]), Block: block}
}

// backing gives the name of the file below a loop device, which is a layer's.
func backing(sys, device string) string {
	text, err := os.ReadFile(filepath.Join(sys, "dev/block", device, "loop/backing_file"))
	if err != nil {
		return "the layer below the block device " + device
	}
	// A file whose mount nobody can reach any more is told so.
	return filepath.Base(strings.TrimSuffix(strings.TrimSpace(string(text)), " (deleted)"))
}

// Messages are the kernel's, from the first of this boot on; each is read once. The zero value is ready, for one goroutine.
type Messages struct {
	device  int // none yet: 0, which is standard input
	damaged *Damage
}

// Explain gives the damage that the kernel has told of so far, if there is any, and with it what came of it; else what came.
func (m *Messages) Explain(err error) error {
	m.readOn()
	switch {
	case m.damaged == nil:
		return err
	case err == nil:
		return m.damaged
	default:
		return fmt.Errorf("%w (%w)", m.damaged, err)
	}
}

// readOn looks through the messages since the last time, up to the first that tells of damage.
func (m *Messages) readOn() {
	if m.device == 0 {
		device, err := unix.Open("/dev/kmsg", unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return
		}
		m.device = device
	}
	record := make([]byte, 8<<10)
	for m.damaged == nil {
		count, err := unix.Read(m.device, record)
		if errors.Is(err, unix.EPIPE) {
			continue // some went by unread
		}
		if err != nil || count == 0 {
			return
		}
		m.damaged = Read(string(record[:count]), "/sys")
	}
}
