package system

import (
	"testing"
	"time"

	"github.com/klauspost/cpuid/v2"
)

func TestOnlyEmulatedTimersMayBeLate(t *testing.T) {
	for hypervisor, want := range map[cpuid.Vendor]time.Duration{
		cpuid.QEMU: 100 * time.Millisecond, cpuid.KVM: 0, cpuid.VMware: 0, cpuid.VendorUnknown: 0,
	} {
		if got := slackUnder(hypervisor); got != want {
			t.Errorf("%v: %v, want %v", hypervisor, got, want)
		}
	}
}
