package console

import (
	"fmt"
	"strings"
)

// hexdump writes octets for people to compare: where, sixteen of them, and what of
// them is ASCII.
func hexdump(b []byte) string {
	var out strings.Builder
	for at := 0; at < len(b); at += 16 {
		line := b[at:min(at+16, len(b))]
		fmt.Fprintf(&out, "%06x  %-48s ", at, fmt.Sprintf("% x", line))
		for _, o := range line {
			if o < 0x20 || o > 0x7e {
				o = '.'
			}
			out.WriteByte(o)
		}
		out.WriteByte('\n')
	}
	return out.String()
}
