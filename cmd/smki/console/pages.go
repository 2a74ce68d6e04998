package console

import (
	"net/url"
	"strconv"

	"smki.example/ca/ra"
)

// pageSize is how many of a list a page shows: what somebody looks through.
const pageSize = 100

// turning is the way through the pages of a list.
type turning struct {
	First, Next string // addresses; empty: it is this page, or there is none
}

// page is the part of a list that is asked for.
func (v *visit) page() ra.Page {
	from, err := strconv.ParseInt(v.URL.Query().Get("from"), 10, 64)
	if err != nil || from < 0 {
		from = 0
	}
	return ra.Page{From: from, Most: pageSize}
}

// turn makes the links to the first page and to the one after this.
func (v *visit) turn(next int64) turning {
	at := func(from int64) string {
		q := url.Values{}
		if state := v.URL.Query().Get("state"); state != "" {
			q.Set("state", state)
		}
		if from != 0 {
			q.Set("from", strconv.FormatInt(from, 10))
		}
		return v.URL.Path + "?" + q.Encode()
	}
	var t turning
	if v.page().From != 0 {
		t.First = at(0)
	}
	if next != 0 {
		t.Next = at(next)
	}
	return t
}
