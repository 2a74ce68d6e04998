package verbs

import (
	"sync/atomic"
	"time"
)

// clock is scenario time as a clock for the parts that need one. Before the
// drill it stands at negative times.
type clock struct {
	epoch time.Time
	at    atomic.Int64
}

func (c *clock) Now() time.Time                  { return c.epoch.Add(c.now()) }
func (c *clock) now() time.Duration              { return time.Duration(c.at.Load()) }
func (c *clock) set(at time.Duration)            { c.at.Store(int64(at)) }
func (c *clock) date(at time.Duration) time.Time { return c.epoch.Add(at) }
