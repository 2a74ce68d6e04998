package scenario

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// maxTime bounds times and durations: a year of scenario time is more than any
// recovery and far from where a time.Duration ends.
const maxTime = 366 * 24 * time.Hour

var (
	timeText     = regexp.MustCompile(`^(\d{1,4}):([0-5]\d)(?::([0-5]\d))?$`)
	durationText = regexp.MustCompile(`^(\d{1,6}) (second|minute|hour|day)s?$`)
	percentText  = regexp.MustCompile(`^(\d{1,3}(?:\.\d{1,4})?)%$`)
	fractionText = regexp.MustCompile(`^(\d{1,9})/(\d{1,9})$`)
	rateText     = regexp.MustCompile(`^(\d[\d,]{0,11}) an hour(?: \(([^()]+)\))?$`)
)

// ParseTime reads scenario time: hours and minutes, 0:40 or 36:00, and seconds
// if wanted, 0:40:30.
func ParseTime(s string) (time.Duration, error) {
	m := timeText.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%q is not a scenario time: write hours and minutes, such as 0:40 or 36:00", s)
	}
	h, _ := strconv.Atoi(m[1])
	min, _ := strconv.Atoi(m[2])
	sec, _ := strconv.Atoi("0" + m[3])
	d := time.Duration(h)*time.Hour + time.Duration(min)*time.Minute + time.Duration(sec)*time.Second
	if d > maxTime {
		return 0, fmt.Errorf("%q is more than a year: write hours and minutes, such as 36:00", s)
	}
	return d, nil
}

// FormatTime writes scenario time as ParseTime reads it.
func FormatTime(d time.Duration) string {
	s := fmt.Sprintf("%d:%02d", int(d/time.Hour), int(d/time.Minute)%60)
	if sec := int(d/time.Second) % 60; sec != 0 {
		s += fmt.Sprintf(":%02d", sec)
	}
	return s
}

// ParseDuration reads a length of time: 40 minutes, 1 hour, 2 days.
func ParseDuration(s string) (time.Duration, error) {
	m := durationText.FindStringSubmatch(s)
	if m == nil {
		return 0, fmt.Errorf("%q is not a length of time: write a number and a unit, such as 40 minutes, 12 hours or 2 days", s)
	}
	n, _ := strconv.Atoi(m[1])
	unit := map[string]time.Duration{"second": time.Second, "minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[m[2]]
	if time.Duration(n) <= maxTime/unit {
		return time.Duration(n) * unit, nil
	}
	return 0, fmt.Errorf("%q is more than a year", s)
}

// ParseShare reads a part of a whole as a fraction of one: 2%, 2.5% or "1/50".
func ParseShare(s string) (float64, error) {
	if m := percentText.FindStringSubmatch(s); m != nil {
		if f, err := strconv.ParseFloat(m[1], 64); err == nil && f <= 100 {
			return f / 100, nil
		}
		return 0, fmt.Errorf("%q is more than the whole: a share is at most 100%%", s)
	}
	if m := fractionText.FindStringSubmatch(s); m != nil {
		n, _ := strconv.Atoi(m[1])
		of, _ := strconv.Atoi(m[2])
		if of == 0 || n > of {
			return 0, fmt.Errorf("%q is not a part of a whole: write 2%% or \"1/50\"", s)
		}
		return float64(n) / float64(of), nil
	}
	return 0, fmt.Errorf("%q is not a share: write a percentage such as 2%% or 2.5%%, or a quoted fraction such as \"1/50\"", s)
}

// ParseNumber reads a whole number that is not negative.
func ParseNumber(s string) (int, error) {
	n, err := strconv.ParseUint(strings.ReplaceAll(s, "_", ""), 10, 31)
	if err != nil {
		return 0, fmt.Errorf("%q is not a whole number: write digits, such as 2000", s)
	}
	return int(n), nil
}

// ParseRate reads `700 an hour (sample)`.
func ParseRate(s string) (Rate, error) {
	if m := rateText.FindStringSubmatch(s); m != nil {
		n, err := strconv.ParseUint(strings.ReplaceAll(m[1], ",", ""), 10, 31)
		if err == nil && n > 0 {
			return Rate{PerHour: int(n), Note: m[2]}, nil
		}
	}
	return Rate{}, fmt.Errorf("%q is not a rate: write a number, \"an hour\" and where the figure comes from, such as 700 an hour (sample)", s)
}
