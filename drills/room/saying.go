package room

import (
	"fmt"
	"strings"
	"time"

	"smki.example/drills/scenario"
)

// keyWords is a key as people call it.
func keyWords(key string) string {
	label := key
	if i := strings.LastIndexByte(key, '-'); i > 0 && strings.Trim(key[i+1:], "0123456789") == "" {
		label = key[:i]
	}
	switch label {
	case "recovery":
		return "Recovery key"
	case "contingency":
		return "Contingency key"
	case "symmetric key", "contingency-symmetric":
		return "symmetric key of the Contingency key"
	}
	return label
}

// clock is scenario time as people read it.
func clock(d time.Duration) string { return scenario.FormatTime(d.Truncate(time.Minute)) }

// spell writes a length of time in words.
func spell(d time.Duration) string {
	h, m := int(d/time.Hour), int(d/time.Minute)%60
	switch {
	case h == 0:
		return plural(m, "minute")
	case m == 0:
		return plural(h, "hour")
	}
	return plural(h, "hour") + " and " + plural(m, "minute")
}

func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
