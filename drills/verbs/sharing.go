package verbs

import (
	"context"
	"errors"
	"time"
)

// A ShareCall asks a custodian who is there for a share. It holds nothing secret.
type ShareCall struct {
	At       time.Duration // scenario time, which stands until the custodian has answered
	Key      string        // label of the key, as in custody entries of the journal: recovery-1
	Words    string        // the same as people call it
	Seat     string        // the custodian's, in the procedure pack
	Party    string
	Decision int64 // entry of the decision that asks for it
	// Hash is that entry's hash, which the authorisation names. Its first words are
	// read out, so that a custodian knows which decision the share is for.
	Hash     string
	Needed   int  // shares that open the key, of Of
	Of       int  //
	Given    int  // by others for the same opening, as the call is made
	Mistyped bool // the code of the call before opened nothing
	Call     int  // 1 the first time; more after a mistyped code
	Opening  int  // 1 when this key's shares are asked for the first time; more when it was not opened then
}

// ShareFunc answers a call with the code of the custodian's envelope, or says that
// the share is not given. Calls for several custodians come at the same time, from
// goroutines of their own; the context of one ends when its share is not needed any
// more, and its answer is then not used. An error ends the drill.
type ShareFunc func(ctx context.Context, call ShareCall) (code string, given bool, err error)

// ErrNotAnswered is a ShareFunc's for a custodian who neither gave the share nor kept
// it back by the time at which it was not needed any more.
var ErrNotAnswered = errors.New("not answered")
