package stats

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	podCard  = "eth0"
	loopback = "lo"
)

// Network counts what went through the cards of a process' network namespace (proc_pid_net(5), "dev").
func (m *Meter) Network(pid int) *runtime.NetworkUsage {
	text, err := os.ReadFile(filepath.Join(m.roots.Proc, strconv.Itoa(pid), "net", "dev"))
	if err != nil {
		return nil
	}
	read := &runtime.NetworkUsage{Timestamp: m.now().UnixNano()}
	for line := range strings.Lines(string(text)) {
		card := cardOf(line)
		switch {
		case card == nil || card.Name == loopback:
		case card.Name == podCard:
			read.DefaultInterface = card
		default:
			read.Interfaces = append(read.Interfaces, card)
		}
	}
	return read
}

// cardOf reads a line: a name, eight numbers of what came in and eight of what went out; nil for the headings.
func cardOf(line string) *runtime.NetworkInterfaceUsage {
	name, rest, found := strings.Cut(line, ":")
	numbers := strings.Fields(rest)
	if !found || len(numbers) < 16 {
		return nil
	}
	at := func(index int) *runtime.UInt64Value {
		number, _ := strconv.ParseUint(numbers[index], 10, 64)
		return value(number)
	}
	return &runtime.NetworkInterfaceUsage{
		Name: strings.TrimSpace(name), RxBytes: at(0), RxErrors: at(2), TxBytes: at(8), TxErrors: at(10),
	}
}
