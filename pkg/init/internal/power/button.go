package power

import (
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

// From linux/input-event-codes.h and linux/input.h.
const (
	evKey     = 1
	keyPower  = 116
	keyDown   = 1
	eventSize = int(unsafe.Sizeof(unix.Timeval{})) + 8
)

// Buttons watches the power buttons of the machine, ACPI's among them, through the input devices.
type Buttons struct {
	actions chan<- Action

	mu      sync.Mutex
	watched map[string]bool
}

// NewButtons gives a watcher that sends PowerOff to actions. It watches nothing before Scan.
func NewButtons(actions chan<- Action) *Buttons {
	return &Buttons{actions: actions, watched: map[string]bool{}}
}

// Scan starts to watch every input device that has a power key and is not watched yet.
func (b *Buttons) Scan() {
	b.mu.Lock()
	defer b.mu.Unlock()
	events, _ := filepath.Glob("/sys/class/input/event*")
	for _, path := range events {
		name := filepath.Base(path)
		keys, err := os.ReadFile(filepath.Join(path, "device/capabilities/key"))
		if err != nil || b.watched[name] || !hasKey(string(keys), keyPower) {
			continue
		}
		if device, err := os.Open("/dev/input/" + name); err == nil {
			b.watched[name] = true
			go b.watch(name, device)
		}
	}
}

// watch reads one device until it goes away.
func (b *Buttons) watch(name string, device io.ReadCloser) {
	event := make([]byte, eventSize)
	for {
		if _, err := io.ReadFull(device, event); err != nil {
			break
		}
		if isPowerPress(event) {
			offer(b.actions, PowerOff)
		}
	}
	_ = device.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.watched, name)
}

// isPowerPress reads a struct input_event: the time, then type and code in 16 bits each, then the value in 32.
func isPowerPress(event []byte) bool {
	fields := event[eventSize-8:]
	return binary.NativeEndian.Uint16(fields) == evKey && binary.NativeEndian.Uint16(fields[2:]) == keyPower &&
		binary.NativeEndian.Uint32(fields[4:]) == keyDown
}

// hasKey reads a capability bitmap of sysfs: hexadecimal words of the kernel's long, the lowest last.
func hasKey(bitmap string, key int) bool {
	words := strings.Fields(bitmap)
	position := len(words) - 1 - key/strconv.IntSize
	if position < 0 {
		return false
	}
	word, err := strconv.ParseUint(words[position], 16, 64)
	return err == nil && word>>(key%strconv.IntSize)&1 == 1
}
