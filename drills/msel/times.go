package msel

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// moment is a time as it stands in a cell.
type moment struct {
	at time.Duration
	// absolute says that it is counted from midnight of a day, as 09:30 is, and not
	// from the start, as T+0:30 is. A time such as 0:30 may be either.
	absolute, either bool
}

var (
	reClock    = regexp.MustCompile(`^(\d{1,3})[:.h](\d{2})(?:[:.](\d{2}))?\s*(am|pm|a\.m\.|p\.m\.)?\s*(?:z|utc|gmt|bst|hrs?|hours|local|l|a)?$`)
	reMilitary = regexp.MustCompile(`^(\d{2})(\d{2})\s*(?:z|utc|gmt|bst|hrs?|hours|local|l|a)?$`)
	reAmPm     = regexp.MustCompile(`^(\d{1,2})\s*(am|pm|a\.m\.|p\.m\.)$`)
	reElapsed  = regexp.MustCompile(`^(?:t|h|x|startex|start)?\s*\+\s*(.+)$`)
	reParts    = regexp.MustCompile(`^(?:(\d{1,3})\s*(?:h|hr|hrs|hour|hours)\b?)?[\s,]*(?:and\s*)?(?:(\d{1,4})\s*(?:m|min|mins|minute|minutes)?)?$`)
	reDay      = regexp.MustCompile(`^(?:d|day)\s*([+]?)\s*(\d{1,2})[\s,:;-]+(.+)$`)
	reISO      = regexp.MustCompile(`^(\d{4})-(\d{2})-(\d{2})[t\s]+(.+)$`)
	reUK       = regexp.MustCompile(`^(\d{1,2})[/.-](\d{1,2})[/.-](\d{2}|\d{4})[\s,]+(.+)$`)
	reWeekday  = regexp.MustCompile(`^(?:mon|tue|wed|thu|fri|sat|sun)[a-z]*[\s,]+(.+)$`)
)

// readTime reads a time as planners write it: 0:30, 09:30, 0930, T+30, T+0:30, 30
// minutes, 1h30, 9:30 am, Day 2 09:00, D+1 0900, 2026-03-04 09:00, 04/03/2026 09:00
// (day first), STARTEX. minutes says that the heading speaks of minutes.
func readTime(cell string, minutes bool) (moment, error) {
	s := strings.ToLower(strings.Join(strings.Fields(cell), " "))
	if s == "startex" || s == "start" || s == "start of exercise" {
		return moment{}, nil
	}
	if m := reDay.FindStringSubmatch(s); m != nil {
		day, _ := strconv.Atoi(m[2])
		if m[1] == "" {
			day-- // Day 1 is the first, D+0 too
		}
		t, err := readTime(m[3], minutes)
		return moment{at: t.at + time.Duration(max(day, 0))*24*time.Hour, absolute: t.absolute || t.either}, err
	}
	if m := reISO.FindStringSubmatch(s); m != nil {
		return onDate(m[1], m[2], m[3], m[4], minutes)
	}
	if m := reUK.FindStringSubmatch(s); m != nil {
		year := m[3]
		if len(year) == 2 {
			year = "20" + year
		}
		return onDate(year, m[2], m[1], m[4], minutes)
	}
	if m := reWeekday.FindStringSubmatch(s); m != nil {
		return readTime(m[1], minutes)
	}
	if m := reElapsed.FindStringSubmatch(s); m != nil {
		t, err := plainTime(m[1], true)
		return moment{at: t.at}, err
	}
	t, err := plainTime(s, minutes)
	if err != nil {
		return t, fmt.Errorf("%q is no time; write hours and minutes from the start, such as %s", cell, like(s))
	}
	return t, nil
}

// onDate counts days from the year 2000, so that several days follow each other.
func onDate(year, month, day, rest string, minutes bool) (moment, error) {
	d, err := time.Parse("2006-1-2", year+"-"+month+"-"+day)
	if err != nil {
		return moment{}, fmt.Errorf("%s/%s/%s is no date; write day/month/year, such as 04/03/2026 09:30", day, month, year)
	}
	t, err := readTime(rest, minutes)
	days := int(d.Sub(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)) / (24 * time.Hour))
	return moment{at: t.at + time.Duration(days)*24*time.Hour, absolute: true}, err
}

func plainTime(s string, minutes bool) (moment, error) {
	if m := reClock.FindStringSubmatch(s); m != nil {
		h, _ := strconv.Atoi(m[1])
		min, _ := strconv.Atoi(m[2])
		sec, _ := strconv.Atoi(m[3])
		if min > 59 || sec > 59 || m[4] != "" && (h < 1 || h > 12) {
			return moment{}, fmt.Errorf("an hour has minutes 00 to 59")
		}
		h, half := halfDay(h, m[4])
		return moment{at: clock(h, min, sec), absolute: half, either: !half}, nil
	}
	if m := reAmPm.FindStringSubmatch(s); m != nil {
		h, _ := strconv.Atoi(m[1])
		if h >= 1 && h <= 12 {
			h, _ = halfDay(h, m[2])
			return moment{at: clock(h, 0, 0), absolute: true}, nil
		}
	}
	if m := reMilitary.FindStringSubmatch(s); m != nil && !minutes {
		h, _ := strconv.Atoi(m[1])
		min, _ := strconv.Atoi(m[2])
		if min <= 59 {
			return moment{at: clock(h, min, 0), either: true}, nil
		}
	}
	if m := reParts.FindStringSubmatch(s); m != nil && (m[1] != "" || m[2] != "") {
		h, _ := strconv.Atoi(m[1])
		min, _ := strconv.Atoi(m[2])
		unit := m[1] != "" || strings.Contains(s, "m") || minutes
		if unit || min == 0 {
			return moment{at: clock(h, min, 0)}, nil
		}
	}
	return moment{}, fmt.Errorf("%q is no length of time", s)
}

// halfDay turns hours with am or pm into hours of the day.
func halfDay(h int, half string) (int, bool) {
	switch {
	case half == "":
		return h, false
	case strings.HasPrefix(half, "p"):
		return h%12 + 12, true
	}
	return h % 12, true
}

func clock(h, m, s int) time.Duration {
	return time.Duration(h)*time.Hour + time.Duration(m)*time.Minute + time.Duration(s)*time.Second
}

// like says how a cell that could not be read would be written.
func like(s string) string {
	if n, err := strconv.Atoi(s); err == nil && n >= 0 && n < 1000 {
		return fmt.Sprintf("%d:%02d (%d minutes), or T+%d", n/60, n%60, n, n)
	}
	return "0:30, or as the time of day, such as 09:30"
}
