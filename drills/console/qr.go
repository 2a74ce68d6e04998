package console

import (
	"bytes"
	"fmt"
	"net/http"

	"rsc.io/qr"

	"smki.example/drills/room"
)

// qr draws the link by which people join, for those who see its code: the players'
// code, or with ?for=observer and ?for=screen those codes.
func (c *Console) qr(w http.ResponseWriter, r *http.Request) {
	v := c.visitor(r)
	if v == nil {
		http.Error(w, "Join first.", http.StatusForbidden)
		return
	}
	view, err := c.room.View(v.person)
	if err != nil || view.Exercise.Codes == nil {
		http.Error(w, "This code is not for you.", http.StatusForbidden)
		return
	}
	code := view.Exercise.Codes.Player
	switch room.Role(r.URL.Query().Get("for")) {
	case room.Observer:
		code = view.Exercise.Codes.Observer
	case room.Screen:
		code = view.Exercise.Codes.Screen
	}
	if code == "" {
		http.Error(w, "This code is not for you.", http.StatusForbidden)
		return
	}
	svg, err := drawQR(c.JoinLink(code))
	if err != nil {
		c.log.Error("a QR code could not be made", "error", err)
		http.Error(w, "The QR code could not be made.", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "image/svg+xml")
	_, _ = w.Write(svg)
}

// drawQR draws a text as a QR code, with the quiet zone of four modules that
// readers need.
func drawQR(text string) ([]byte, error) {
	code, err := qr.Encode(text, qr.M)
	if err != nil {
		return nil, fmt.Errorf("making a QR code: %w", err)
	}
	const quiet = 4
	side := code.Size + 2*quiet
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" shape-rendering="crispEdges"><path fill="#fff" d="M0 0h%dv%dH0z"/><path d="`, side, side, side, side)
	for y := range code.Size {
		for x := 0; x < code.Size; x++ {
			if !code.Black(x, y) {
				continue
			}
			from := x
			for x+1 < code.Size && code.Black(x+1, y) {
				x++
			}
			fmt.Fprintf(&b, "M%d %dh%dv1h-%dz", from+quiet, y+quiet, x-from+1, x-from+1)
		}
	}
	b.WriteString(`"/></svg>`)
	return b.Bytes(), nil
}
