package cpu

import (
	"sync"
	"time"
)

// As on the host's side (builder/console/speed.py): what the measured work takes natively, by how much more real work slows
// down where it is emulated, and where it ends.
const (
	nativeMillis = 37
	understated  = 4
	slowest      = 30
)

var pace = sync.OnceValue(func() float64 { return paceOf(Measure()) })

// paceOf gives how many times slower than native a machine is whose measured work took so many milliseconds.
func paceOf(millis int64) float64 {
	return min(slowest, max(1, 1+understated*(float64(millis)/nativeMillis-1)))
}

// Stretch gives what a deadline, of a machine at native speed, is on this one. The first call measures.
func Stretch(limit time.Duration) time.Duration {
	return time.Duration(float64(limit) * pace())
}

// Over tells whether so much time, at native speed, has passed since begin. Only who waits that long pays for the measure.
func Over(begin time.Time, limit time.Duration) bool {
	return time.Since(begin) > limit && time.Since(begin) > Stretch(limit)
}
