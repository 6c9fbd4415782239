package system

import (
	"time"

	"github.com/klauspost/cpuid/v2"
)

// emulatedSlack: the programs of an idle Kubernetes node look at their clocks thousands of times a second, and a wake-up costs an
// emulated processor tens of times what it costs a real one. Timers that may wait for one another need far fewer of them.
const emulatedSlack = 100 * time.Millisecond

// TimerSlack is by how much this machine's timers may be late (prctl(2), PR_SET_TIMERSLACK); 0 leaves the kernel's 50 µs.
func TimerSlack() time.Duration {
	return slackUnder(cpuid.CPU.HypervisorVendorID)
}

// slackUnder knows QEMU's own emulation by its CPUID signature TCGTCGTCGTCG; under KVM there is KVM's.
func slackUnder(hypervisor cpuid.Vendor) time.Duration {
	if hypervisor == cpuid.QEMU {
		return emulatedSlack
	}
	return 0
}
