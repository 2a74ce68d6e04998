package room

import (
	"context"
	"crypto/subtle"
	"slices"
	"strings"
	"time"

	"smki.example/drills/verbs"
)

// call is a custodian who is asked for a share.
type call struct {
	verbs.ShareCall
	seat     SeatID
	mistyped bool
	done     string     // what was done with it, until the world goes on
	said     chan given // one
}

type given struct {
	code  string
	given bool
}

// share is the world asking a custodian who has come. Where nobody sits the share is
// given, as the script's custodians do; so is one that a run that is played again
// had given.
func (h hand) share(ctx context.Context, c verbs.ShareCall) (string, bool, error) {
	k, answer := h.ask(c)
	if answer != nil {
		return answer.code, answer.given, nil
	}
	defer func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.l.calls, k.of())
		h.bump()
	}()
	select {
	case a := <-k.said:
		return a.code, a.given, nil
	case <-ctx.Done():
		return "", false, verbs.ErrNotAnswered
	}
}

func (k *call) of() shareOf { return shareOf{k.seat, k.Key} }

func (h hand) ask(c verbs.ShareCall) (*call, *given) {
	h.mu.Lock()
	defer h.mu.Unlock()
	of := shareOf{h.st.house.custodian(c.Seat), c.Key}
	code := h.l.envelopes[of]
	did := h.st.shares[of]
	// What was said before the server died, for an opening of which the record has no
	// result, need not be said again.
	before := !h.l.heard[of] && did.at > h.l.drill.lastOpening(c.Key)
	h.l.heard[of] = true
	switch {
	case c.Mistyped:
		// The room compares codes itself, so this one is the envelope's and opens nothing.
		return nil, &given{}
	case before && did.did == shareWithheld:
		return nil, &given{}
	case before && did.did == shareGiven, h.st.sitting[of.seat].person == "":
		return nil, &given{code, true}
	}
	k := &call{ShareCall: c, seat: of.seat, said: make(chan given, 1)}
	h.l.calls[of] = k
	h.bump()
	return k, nil
}

// shareDid is what became of a share, and when.
type shareDid struct {
	did string
	at  time.Duration
}

// What a Share entry of the book says.
const (
	shareGiven    = "given"
	shareWithheld = "withheld"
	shareMistyped = "mistyped"
)

// answered gives a share to who waits for it. mu is held.
func (k *call) answered(g given, did string) {
	select {
	case k.said <- g:
		k.done, k.mistyped = did, false
	default: // it was given before
	}
}

// leave gives the shares of seats that nobody sits on any more, as the script does:
// else the drill would wait for ever. mu is held.
func (l *live) leave(st *state) {
	for of, k := range l.calls {
		if st.sitting[of.seat].person == "" {
			k.answered(given{l.envelopes[of], true}, shareGiven)
		}
	}
}

// typed is a code as it is compared: case and what stands between its words do not
// matter.
func typed(code string) string {
	return strings.Join(strings.FieldsFunc(strings.ToLower(code), func(c rune) bool { return c == ' ' || c == '-' || c == ',' || c == '\t' || c == '\n' || c == '\u00a0' }), "-")
}

// opens says whether a code is that of an envelope.
func (l *live) opens(of shareOf, code string) bool {
	want := l.envelopes[of]
	return want != "" && subtle.ConstantTimeCompare([]byte(typed(code)), []byte(typed(want))) == 1
}

// callsFor are the calls for a person's seats; the facilitator sees who is waited
// for.
func (l *live) callsFor(x *sight) []Call {
	var out []Call
	for of, k := range l.calls {
		if !slices.Contains(x.seats, of.seat) && x.me.role != Facilitator {
			continue
		}
		c := Call{Seat: of.seat, Key: k.Key, Words: k.Words, Digest: digest(k.Hash), Needed: k.Needed, Given: k.Given, Mistyped: k.mistyped, Done: k.done}
		if x.drill != nil {
			for _, d := range x.drill.decided {
				if d.seq == k.Decision {
					c.Decision = d.Decision.Decision
				}
			}
		}
		out = append(out, c)
	}
	if l.caught {
		// What was given or kept back stays on the custodian's screen.
		for of, did := range x.st.shares {
			if _, open := l.calls[of]; !open && did.did != shareMistyped && slices.Contains(x.seats, of.seat) {
				out = append(out, Call{Seat: of.seat, Key: of.key, Words: keyWords(of.key), Done: did.did})
			}
		}
	}
	slices.SortFunc(out, func(a, b Call) int {
		return strings.Compare(string(a.Seat)+a.Key, string(b.Seat)+b.Key)
	})
	return out
}

// envelopesFor are the envelopes of a person's seats, and of nobody else's.
func (l *live) envelopesFor(x *sight) []Envelope {
	var out []Envelope
	for of, code := range l.envelopes {
		if slices.Contains(x.seats, of.seat) && l.caught {
			out = append(out, Envelope{Seat: of.seat, Key: of.key, Code: code})
		}
	}
	slices.SortFunc(out, func(a, b Envelope) int {
		return strings.Compare(string(a.Seat)+a.Key, string(b.Seat)+b.Key)
	})
	return out
}
