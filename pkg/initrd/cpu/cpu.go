// Package cpu measures how fast this machine's processor is, so that the host can stretch its deadlines where it is emulated.
package cpu

import "time"

// rounds of the measured work: 20 to 50 ms on a processor of the 2020s, ten times that and more when emulated.
const rounds = 20_000_000

// sink keeps the compiler from leaving the work out.
var sink uint64

// Measure does a fixed amount of pure computation and gives the milliseconds that passed.
func Measure() int64 {
	begin := time.Now()
	sink = xorshift(0x9E3779B97F4A7C15, rounds)
	return time.Since(begin).Milliseconds()
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
