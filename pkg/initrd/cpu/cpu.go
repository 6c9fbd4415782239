// Package cpu measures how fast this machine's processor is, so that the host can stretch its deadlines where it is emulated.
package cpu

import (
	"slices"
	"time"
)

// The measured work: 20 million rounds take 20 to 50 ms on a processor of the 2020s, two to ten times that when emulated. It
// is done in five parts, so that one hiccup of the host does not count.
const (
	parts  = 5
	rounds = 4_000_000
	seed   = 0x9E3779B97F4A7C15
)

// sink keeps the compiler from leaving the work out.
var sink uint64

// Measure does a fixed amount of pure computation and gives the milliseconds that it takes: those of the median part, times
// the number of parts.
func Measure() int64 {
	var times [parts]time.Duration
	sink = seed
	for i := range times {
		begin := time.Now()
		sink = xorshift(sink, rounds)
		times[i] = time.Since(begin)
	}
	slices.Sort(times[:])
	return (parts * times[parts/2]).Milliseconds()
}

// xorshift runs n rounds of Marsaglia's xorshift64 (Journal of Statistical Software 8(14), 2003); each needs the one before.
func xorshift(state uint64, n int) uint64 {
	for range n {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
	}
	return state
}
