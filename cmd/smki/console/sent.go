package console

import (
	"crypto/sha256"
	"errors"
	"sync"
)

// maxSent is how many forms are remembered: more than are sent in the minutes in which
// somebody might press a button again, at about 200 octets each.
const maxSent = 4096

// sent remembers the forms that were sent, see [visit.submission], so that a double
// click does nothing twice. It knows the forms of this process only; what
// must not happen twice whatever happens (a vote, an execution) the Registry refuses.
type sent struct {
	mu    sync.Mutex
	forms map[[sha256.Size]byte]*submission
	order [][sha256.Size]byte // oldest first
}

// A submission is one form that is being carried out, or was.
type submission struct {
	done     chan struct{}
	location string // set before done is closed
	err      error
}

func newSent() *sent { return &sent{forms: make(map[[sha256.Size]byte]*submission)} }

// once carries out a form, or waits for who does and returns the same answer; again
// says that it was so. A form that failed is forgotten and may be sent again.
func (s *sent) once(key [sha256.Size]byte, do func() (string, error)) (location string, again bool, err error) {
	s.mu.Lock()
	if f, ok := s.forms[key]; ok {
		s.mu.Unlock()
		<-f.done
		return f.location, true, f.err
	}
	f := &submission{done: make(chan struct{}), err: errors.New("it was not carried out to its end; look whether it happened")}
	s.forms[key] = f
	s.order = append(s.order, key)
	if len(s.order) > maxSent {
		delete(s.forms, s.order[0])
		s.order = s.order[1:]
	}
	s.mu.Unlock()

	defer close(f.done)
	f.location, f.err = do()
	if f.err != nil {
		s.mu.Lock()
		if s.forms[key] == f {
			delete(s.forms, key)
		}
		s.mu.Unlock()
	}
	return f.location, false, f.err
}
