package stats

import (
	"sync"
	"time"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Usage is what one container, or a whole pod, takes now.
type Usage struct {
	CPU       *runtime.CpuUsage
	Memory    *runtime.MemoryUsage
	Swap      *runtime.SwapUsage
	IO        *runtime.IoUsage
	Processes uint64
}

// Meter measures; it remembers each group's last measure, for a rate.
type Meter struct {
	roots Roots
	now   func() time.Time

	mu    sync.Mutex
	last  map[string]sample
	sizes map[string]size
}

type sample struct {
	at    time.Time
	usage uint64 // nanoseconds of a processor
	rate  uint64
}

// NewMeter gives a meter that looks below the roots.
func NewMeter(roots Roots) *Meter {
	return &Meter{roots: roots, now: time.Now, last: map[string]sample{}, sizes: map[string]size{}}
}

// Forget drops what is remembered of a container.
func (m *Meter) Forget(id string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.last, id)
	delete(m.sizes, id)
}

// Container measures the cgroup of a container's first process.
func (m *Meter) Container(id string, pid int) (*Usage, error) {
	group, err := m.roots.Group(pid)
	if err != nil {
		return nil, err
	}
	return m.measure(id, group), nil
}

// Pod measures the cgroup that the kubelet made for a pod, below the root of all.
func (m *Meter) Pod(id, parent string) *Usage {
	return m.measure(id, m.roots.Cgroup+"/"+parent)
}

func (m *Meter) measure(id, group string) *Usage {
	now := m.now()
	stamp := now.UnixNano()
	processes, _ := number(group, "pids.current")
	return &Usage{
		CPU: m.cpu(id, group, now), Memory: memory(group, stamp), Swap: swap(group, stamp), Processes: processes,
		IO: &runtime.IoUsage{Timestamp: stamp, Psi: pressure(group, "io.pressure")},
	}
}

func (m *Meter) cpu(id, group string, now time.Time) *runtime.CpuUsage {
	usage := table(group, "cpu.stat")["usage_usec"] * 1000
	return &runtime.CpuUsage{
		Timestamp: now.UnixNano(), UsageCoreNanoSeconds: value(usage), UsageNanoCores: value(m.rate(id, now, usage)),
		Psi: pressure(group, "cpu.pressure"),
	}
}

// rate gives the processor time used in each second since the last measure, in nanoseconds.
func (m *Meter) rate(id string, now time.Time, usage uint64) uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, known := m.last[id]
	after := sample{at: now, usage: usage}
	if passed := now.Sub(before.at); known && passed > 0 && usage >= before.usage {
		after.rate = uint64(float64(usage-before.usage) / passed.Seconds())
	}
	m.last[id] = after
	return after.rate
}

// memory takes what can be dropped at once, file pages that are not in use, out of the working set, as the kubelet does.
func memory(group string, stamp int64) *runtime.MemoryUsage {
	current, _ := number(group, "memory.current")
	stat := table(group, "memory.stat")
	working := current - min(current, stat["inactive_file"])
	read := &runtime.MemoryUsage{
		Timestamp: stamp, UsageBytes: value(current), WorkingSetBytes: value(working), RssBytes: value(stat["anon"]),
		PageFaults: value(stat["pgfault"]), MajorPageFaults: value(stat["pgmajfault"]), Psi: pressure(group, "memory.pressure"),
	}
	if limit, limited := number(group, "memory.max"); limited {
		read.AvailableBytes = value(limit - min(limit, working))
	}
	return read
}

func swap(group string, stamp int64) *runtime.SwapUsage {
	used, _ := number(group, "memory.swap.current")
	read := &runtime.SwapUsage{Timestamp: stamp, SwapUsageBytes: value(used)}
	if limit, limited := number(group, "memory.swap.max"); limited {
		read.SwapAvailableBytes = value(limit - min(limit, used))
	}
	return read
}

func value(number uint64) *runtime.UInt64Value { return &runtime.UInt64Value{Value: number} }
