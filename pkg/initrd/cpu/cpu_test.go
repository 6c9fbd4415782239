package cpu

import "testing"

func TestXorshift(t *testing.T) {
	if got := xorshift(1, 1); got != 1082269761 {
		t.Errorf("first value after 1 is %d", got)
	}
	if xorshift(xorshift(7, 3), 4) != xorshift(7, 7) {
		t.Error("rounds do not add up")
	}
}

func TestMeasureDoesTheWork(t *testing.T) {
	sink = 0
	if Measure() < 0 || sink != xorshift(seed, parts*rounds) {
		t.Error("the work was not done")
	}
}
