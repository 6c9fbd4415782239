package watchdog

import (
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fake is a watchdog that counts.
type fake struct {
	food, disarmed atomic.Int32
	seconds        int
}

func (f *fake) setTimeout(seconds int) (int, error) { f.seconds = seconds; return 1, nil }
func (f *fake) feed() error                         { f.food.Add(1); return nil }
func (f *fake) disarm() error                       { f.disarmed.Add(1); return nil }

func TestItIsFedThreeTimesInItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := &fake{}
		dog := &Dog{timeout: 60}
		if seconds, err := dog.hold(held); err != nil || seconds != 1 || held.seconds != 60 {
			t.Fatalf("got %d s, %v; asked for %d", seconds, err, held.seconds)
		}
		time.Sleep(990 * time.Millisecond)
		if food := held.food.Load(); food != 3 {
			t.Errorf("fed %d times in its timeout", food)
		}
		rest(t, dog)
	})
}

// rest ends the dog, and sees that nothing feeds it any more.
func rest(t *testing.T, dog *Dog) {
	t.Helper()
	if err := dog.Release(); err != nil {
		t.Error(err)
	}
	time.Sleep(time.Second)
}

func TestItIsFedNoMoreAfterTheEndOfAShutdown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := &fake{}
		dog := &Dog{timeout: 60}
		if _, err := dog.hold(held); err != nil {
			t.Fatal(err)
		}
		dog.Until(time.Now().Add(time.Second))
		time.Sleep(time.Minute)
		if food := held.food.Load(); food != 4 {
			t.Errorf("fed %d times in the second that was left", food)
		}
	})
}

func TestAMachineThatStandsStillIsNotReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		held := &fake{}
		dog := &Dog{timeout: 60}
		if _, err := dog.hold(held); err != nil {
			t.Fatal(err)
		}
		rest(t, dog)
		if held.disarmed.Load() != 1 {
			t.Errorf("disarmed %d times", held.disarmed.Load())
		}
	})
}

func TestWhatIsNotThereOrNotWantedIsLeftAlone(t *testing.T) {
	for _, dog := range []*Dog{{timeout: 60}, {}} {
		if seconds, err := dog.Take(filepath.Join(t.TempDir(), "watchdog")); seconds != 0 || err != nil || dog.Release() != nil {
			t.Errorf("%d s, %v", seconds, err)
		}
	}
}
