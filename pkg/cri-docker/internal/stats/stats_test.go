package stats

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// node has one process, 42, with the group /pod/id.
func node(t *testing.T) Roots {
	root := t.TempDir()
	upper := filepath.Join(root, "upper")
	files := map[string]string{
		"proc/42/cgroup": "1:name=systemd:/x\n0::/pod/id\n",
		"proc/42/mountinfo": "1 0 0:1 / /proc rw - proc proc rw\n" +
			"2 0 0:2 / / rw,relatime - overlay overlay rw,lowerdir=/l,upperdir=" + upper + ",workdir=/w\n",
		"proc/42/net/dev": "Inter-|   Receive\n face |bytes\n" +
			"    lo: 9 9 9 9 0 0 0 0 9 9 9 0 0 0 0 0\n  eth0: 100 2 3 0 0 0 0 0 200 5 6 0 0 0 0 0\n",
		"cgroup/pod/id/cpu.stat":        "usage_usec 1000000\nuser_usec 5\n",
		"cgroup/pod/id/memory.current":  "1000\n",
		"cgroup/pod/id/memory.stat":     "anon 300\ninactive_file 400\npgfault 7\npgmajfault 1\n",
		"cgroup/pod/id/memory.max":      "max\n",
		"cgroup/pod/id/memory.pressure": "some avg10=1.50 avg60=0.00 avg300=0.00 total=12\nfull avg10=0.00 avg60=0.00 avg300=0.00 total=3\n",
		"cgroup/pod/id/pids.current":    "5\n",
		"upper/a":                       "hello",
	}
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	return Roots{filepath.Join(root, "proc"), filepath.Join(root, "cgroup")}
}

func TestAContainersUsage(t *testing.T) {
	meter := NewMeter(node(t))
	usage, err := meter.Container("id", 42)
	if err != nil {
		t.Fatal(err)
	}
	if cpu := usage.CPU.UsageCoreNanoSeconds.Value; cpu != 1e9 {
		t.Errorf("cpu %d", cpu)
	}
	memory := usage.Memory
	if memory.WorkingSetBytes.Value != 600 || memory.UsageBytes.Value != 1000 || memory.RssBytes.Value != 300 ||
		memory.PageFaults.Value != 7 || memory.MajorPageFaults.Value != 1 || memory.AvailableBytes != nil {
		t.Errorf("memory %v", memory)
	}
	if memory.Psi.Some.Avg10 != 1.5 || memory.Psi.Full.Total != 3000 || usage.CPU.Psi != nil {
		t.Errorf("pressure %v", memory.Psi)
	}
	if usage.Processes != 5 {
		t.Errorf("%d processes", usage.Processes)
	}
}

func TestALimitLeavesWhatIsAvailable(t *testing.T) {
	roots := node(t)
	if err := os.WriteFile(filepath.Join(roots.Cgroup, "pod/id/memory.max"), []byte("700\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	usage, err := NewMeter(roots).Container("id", 42)
	if err != nil || usage.Memory.AvailableBytes.Value != 100 {
		t.Errorf("%v, %v", usage.Memory, err)
	}
}

func TestTheRateIsOfTheTimeBetween(t *testing.T) {
	roots := node(t)
	meter, now := NewMeter(roots), time.Unix(1000, 0)
	meter.now = func() time.Time { return now }
	if usage := meter.Pod("id", "/pod/id"); usage.CPU.UsageNanoCores.Value != 0 {
		t.Errorf("first %v", usage.CPU)
	}
	now = now.Add(2 * time.Second)
	if err := os.WriteFile(filepath.Join(roots.Cgroup, "pod/id/cpu.stat"), []byte("usage_usec 2000000\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if usage := meter.Pod("id", "/pod/id"); usage.CPU.UsageNanoCores.Value != 5e8 {
		t.Errorf("half a processor is %v", usage.CPU)
	}
	meter.Forget("id")
	if usage := meter.Pod("id", "/pod/id"); usage.CPU.UsageNanoCores.Value != 0 {
		t.Errorf("it remembers: %v", usage.CPU)
	}
}

func TestWhatAContainerWrote(t *testing.T) {
	roots := node(t)
	meter, now := NewMeter(roots), time.Unix(1000, 0)
	meter.now = func() time.Time { return now }
	layer := meter.Layer("id", 42)
	if layer.InodesUsed.Value != 2 || layer.UsedBytes.Value == 0 || filepath.Base(layer.FsId.Mountpoint) != "upper" {
		t.Errorf("got %v", layer)
	}
	if err := os.WriteFile(filepath.Join(layer.FsId.Mountpoint, "b"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if again := meter.Layer("id", 42); again.InodesUsed.Value != 2 {
		t.Errorf("counted again at once: %v", again)
	}
	now = now.Add(layerAge + 1)
	if again := meter.Layer("id", 42); again.InodesUsed.Value != 3 {
		t.Errorf("not counted again: %v", again)
	}
	if none := meter.Layer("other", 43); none != nil {
		t.Errorf("of no process: %v", none)
	}
}

func TestThePodsCardIsTheDefaultOne(t *testing.T) {
	usage := NewMeter(node(t)).Network(42)
	card := usage.DefaultInterface
	if card.RxBytes.Value != 100 || card.RxErrors.Value != 3 || card.TxBytes.Value != 200 || card.TxErrors.Value != 6 ||
		len(usage.Interfaces) != 0 {
		t.Errorf("got %v", usage)
	}
}

func TestAProcessThatIsGone(t *testing.T) {
	meter := NewMeter(node(t))
	if _, err := meter.Container("id", 43); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	if usage := meter.Network(43); usage != nil {
		t.Errorf("got %v", usage)
	}
}
