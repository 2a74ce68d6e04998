package report

import "time"

// An Action is a line of the improvement plan.
type Action struct {
	Number int
	What   string
	Owner  string
	Due    time.Time
	From   string // what of the drill it answers
	Done   bool
	Drill  string // exercise that it comes from
}

// A Risk is what stays after the recovery.
type Risk struct {
	Number     int
	What       string
	Owner      string
	Likelihood string // low, medium or high
	Devices    int    // left
}
