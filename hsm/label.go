package hsm

import (
	"fmt"
	"strconv"
	"strings"
)

// A KeyLabel is the name of a key on a token: what the key is for and its
// generation, as in "issuing-oca-2". A key that replaces another has the next
// generation, so both can be on the token and a label never changes its
// meaning. It is the CKA_LABEL of the key's objects.
type KeyLabel string

// maxKeyLabel bounds a label to what every known token keeps whole.
const maxKeyLabel = 64

// Label returns the label of the given generation of the key called name.
func Label(name string, generation int) KeyLabel {
	return KeyLabel(name + "-" + strconv.Itoa(generation))
}

// Check returns an error unless l is a name of lower case letters, digits and
// hyphens, then a hyphen, then a generation from 1 without leading zeros.
func (l KeyLabel) Check() error {
	name, generation := l.split()
	if generation < 1 || len(l) > maxKeyLabel || name == "" || strings.HasPrefix(name, "-") || strings.HasSuffix(name, "-") ||
		strings.ContainsFunc(name, func(r rune) bool { return r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') }) {
		return fmt.Errorf("key label %q: want a lower-case name and a generation, as in \"issuing-oca-1\"", string(l))
	}
	return nil
}

// Name returns what the key is for: "issuing-oca" of "issuing-oca-2". It is empty if
// the label has no generation.
func (l KeyLabel) Name() string {
	name, generation := l.split()
	if generation < 1 {
		return ""
	}
	return name
}

// Generation returns the key's generation, 2 of "issuing-oca-2", or 0 if the label has none.
func (l KeyLabel) Generation() int {
	_, generation := l.split()
	return generation
}

func (l KeyLabel) split() (name string, generation int) {
	i := strings.LastIndexByte(string(l), '-')
	if i < 0 {
		return "", 0
	}
	digits := string(l[i+1:])
	n, err := strconv.Atoi(digits)
	if err != nil || n < 1 || strconv.Itoa(n) != digits {
		return "", 0
	}
	return string(l[:i]), n
}
