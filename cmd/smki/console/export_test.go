package console

import (
	"maps"
	"slices"

	"smki.example/ca/ra"
)

// View is an address that shows something, and the row of the table that opens it.
type View struct {
	Path  string
	Needs ra.Act
}

// Views are all of them.
func (c *Console) Views() []View {
	var out []View
	for _, v := range c.views() {
		out = append(out, View{v.path, v.needs})
	}
	return out
}

// FormActs are the acts that have a form.
func (c *Console) FormActs() []ra.Act { return slices.Sorted(maps.Keys(c.specs)) }

// Token is what the forms of an officer's pages carry.
func (c *Console) Token(certificate []byte, officer ra.OfficerID) string {
	return c.token(certificate, officer)
}

// Hexdump and Fields show bytes.
var Hexdump = hexdump

func Fields(b []byte) (map[string]string, error) {
	rows, err := fields(b)
	out := make(map[string]string)
	for _, r := range rows {
		out[r.Path] = r.Value
	}
	return out, err
}
