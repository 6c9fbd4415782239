package cpu

import (
	"testing"
	"time"
)

func TestXorshift(t *testing.T) {
	if got := xorshift(1, 1); got != 1082269761 {
		t.Errorf("first value after 1 is %d", got)
	}
	if xorshift(xorshift(7, 3), 4) != xorshift(7, 7) {
		t.Error("rounds do not add up")
	}
}

func TestPaceLiesBetween1And30(t *testing.T) {
	for millis, want := range map[int64]float64{0: 1, 37: 1, 74: 5, 37 * 500: 30} {
		if got := paceOf(millis); got != want {
			t.Errorf("%d ms: %v, want %v", millis, got, want)
		}
	}
}

func TestStretchNeverShortens(t *testing.T) {
	if got := Stretch(time.Second); got < time.Second || got > slowest*time.Second {
		t.Errorf("a second became %v", got)
	}
}

func TestMeasureDoesTheWork(t *testing.T) {
	sink = 0
	if Measure() < 0 || sink != xorshift(seed, parts*rounds) {
		t.Error("the work was not done")
	}
}

func TestOverIsNeverBeforeTheLimit(t *testing.T) {
	if Over(time.Now(), time.Hour) || !Over(time.Now().Add(-(slowest+1)*time.Second), time.Second) {
		t.Error("the limit is another one")
	}
}
