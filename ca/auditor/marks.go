package auditor

// What the log told of an intent.
type mark byte

const (
	told      mark = 1 << iota // the intent
	settled                    // its end, whichever
	certified                  // a certificate of it is recorded
	listed                     // a list of it is published
	revoked                    // its certificate is revoked
	seen                       // the certificate's row was met
)

// chunk is how many intents share an array. Numbers of intents have few gaps, so
// that arrays are full; a number far off, which only a forger writes, costs one
// array and no more.
const chunk = 1 << 12

// marks keep an octet for each intent, by its number.
type marks struct{ chunks map[int64]*[chunk]mark }

func (m *marks) has(id int64, k mark) bool {
	c := m.chunks[id/chunk]
	return id >= 0 && c != nil && c[id%chunk]&k != 0
}

// set reports whether the mark is new.
func (m *marks) set(id int64, k mark) bool {
	if id < 0 || m.has(id, k) {
		return false
	}
	if m.chunks == nil {
		m.chunks = make(map[int64]*[chunk]mark)
	}
	c := m.chunks[id/chunk]
	if c == nil {
		c = new([chunk]mark)
		m.chunks[id/chunk] = c
	}
	c[id%chunk] |= k
	return true
}
