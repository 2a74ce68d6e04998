package play

import (
	"context"
	"sync"

	"smki.example/drills/verbs"
)

// shares stand between the world and the people who hold custodians' shares: what a
// recorded run says of a custodian is done again, and only then are people asked.
type shares struct {
	cfg      *Config
	recorded map[string][]opening // by label of the key, in order

	mu    sync.Mutex
	codes map[envelope]string
}

type envelope struct{ seat, key string }

func newShares(cfg Config) *shares {
	s := &shares{cfg: &cfg, codes: map[envelope]string{}}
	if cfg.Recording != nil {
		s.recorded = cfg.Recording.openings
	}
	return s
}

// hooks are what the world is given: nothing where nobody holds a share and nobody
// did in the recorded run, so that custodians who come give theirs.
func (s *shares) hooks() (func(seat, key, code string), verbs.ShareFunc) {
	if s.cfg.Envelope == nil && s.cfg.Share == nil && len(s.recorded) == 0 {
		return nil, nil
	}
	return s.sealed, s.share
}

// sealed keeps the code for as long as the run is played: recorded custodians give
// it, and those for whom nobody is asked.
func (s *shares) sealed(seat, key, code string) {
	s.mu.Lock()
	s.codes[envelope{seat, key}] = code
	s.mu.Unlock()
	if s.cfg.Envelope != nil {
		s.cfg.Envelope(seat, key, code)
	}
}

func (s *shares) share(ctx context.Context, call verbs.ShareCall) (code string, given bool, err error) {
	s.mu.Lock()
	code = s.codes[envelope{call.Seat, call.Key}]
	s.mu.Unlock()
	if list := s.recorded[call.Key]; call.Opening <= len(list) {
		did := list[call.Opening-1][call.Seat]
		switch {
		case call.Call <= did.Mistyped:
			return "", true, nil
		case did.Withheld:
			return "", false, nil
		case !did.Handed:
			return "", false, verbs.ErrNotAnswered
		}
		return code, true, nil
	}
	if s.cfg.Share == nil {
		return code, true, nil
	}
	return s.cfg.Share(ctx, call)
}
