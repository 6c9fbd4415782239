package node

import (
	"context"
	"testing"
	"time"

	"kubeiso.dev/pkg/init/internal/power"
)

// hang is a shutdown that comes to no end.
func hang(context.Context) { select {} }

func TestAShutdownThatIsDoneIsNotCut(t *testing.T) {
	action, cut := conduct(time.Minute, power.Reboot, nil, func(context.Context) {})
	if action != power.Reboot || cut != "" {
		t.Errorf("%s, %q", action, cut)
	}
}

func TestAShutdownHasAnEndWhateverHangs(t *testing.T) {
	begin := time.Now()
	action, cut := conduct(200*time.Millisecond, power.PowerOff, nil, hang)
	if action != power.PowerOff || cut != "not all ended within 200ms" || time.Since(begin) > 5*time.Second {
		t.Errorf("%s, %q after %v", action, cut, time.Since(begin))
	}
}

func TestASecondPressEndsAShutdownAtOnceButABounceDoesNot(t *testing.T) {
	actions := make(chan power.Action, 1)
	actions <- power.PowerOff // within the first moment
	go func() {
		time.Sleep(onePress + 200*time.Millisecond)
		actions <- power.Reboot
	}()
	begin := time.Now()
	action, cut := conduct(time.Minute, power.PowerOff, actions, hang)
	if action != power.Reboot || cut != "asked again" || time.Since(begin) < onePress || time.Since(begin) > 20*time.Second {
		t.Errorf("%s, %q after %v", action, cut, time.Since(begin))
	}
}
