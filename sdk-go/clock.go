package gateway

import "time"

// minSleep is the least advance of the wall clock that counts as sleep. A smaller one is an adjustment of the clock.
const minSleep = 2 * time.Second

// clock counts milliseconds from its start. Go's monotonic clock stands still while most devices sleep, so the wall clock shows
// that. If the wall clock was set instead, a ping does no harm.
type clock struct {
	started time.Time
	// ahead is how far the wall clock was ahead at the last reading; 0 if it was behind.
	ahead time.Duration
	// skew is added to the wall clock by tests.
	skew time.Duration
}

func newClock() clock {
	return clock{started: time.Now()}
}

// read returns the time, and whether the device has slept since the last reading.
func (c *clock) read() (now uint64, slept bool) {
	reading := time.Now()
	monotonic := reading.Sub(c.started)
	// Round removes the monotonic reading.
	wall := reading.Round(0).Sub(c.started.Round(0)) + c.skew
	return uint64(monotonic.Milliseconds()), c.hasSlept(monotonic, wall)
}

func (c *clock) hasSlept(monotonic, wall time.Duration) bool {
	before := c.ahead
	c.ahead = max(0, wall-monotonic)
	return c.ahead-before >= minSleep
}

// until returns the wait until a time of this clock.
func (c *clock) until(at int64) time.Duration {
	return max(0, time.Duration(at)*time.Millisecond-time.Since(c.started))
}
