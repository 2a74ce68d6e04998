package scenario

import (
	"encoding/json"
)

// Dump is what a file says as JSON, without its form.
func Dump(t interface{ Fatal(...any) }, b []byte) []byte {
	n, err := read("x.yaml", b)
	if err != nil {
		t.Fatal(err)
	}
	out, err := json.Marshal(n.value())
	if err != nil {
		t.Fatal(err)
	}
	return out
}
