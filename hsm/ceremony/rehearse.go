package ceremony

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"smki.example/hsm"
	"smki.example/hsm/custody"
	"smki.example/softhsm"
)

// A Rehearsal is what a rehearsal leaves behind: nothing but this.
type Rehearsal struct {
	Hash         string   `json:"script"` // what the run must be given as rehearsed
	Steps        int      `json:"steps"`
	Keys         []string `json:"keys"`
	Certificates []string `json:"certificates"`
}

// Rehearse does everything that the script says on a throw-away SoftHSM token,
// verifies the result as [Load] does, and throws keys, shares and certificates
// away. Of c it uses Script, Environment, Attend, Progress, Clock and Rand.
//
// The directory of the rehearsal is a temporary one and is gone when Rehearse
// returns, whatever it returns. The certificates made in it are worth nothing:
// their keys are gone too.
func Rehearse(ctx context.Context, c Config) (r *Rehearsal, err error) {
	dir, err := os.MkdirTemp("", "ceremony-rehearsal-")
	if err != nil {
		return nil, fmt.Errorf("rehearsing: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	soft, err := softhsm.New(filepath.Join(dir, "token"), "EXERCISE rehearsal")
	if err != nil {
		return nil, fmt.Errorf("rehearsing: %w", err)
	}
	config := hsm.FromSoftHSM(soft)
	config.RequireLabelPrefix = "EXERCISE"
	token, err := hsm.Open(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("rehearsing: %w", err)
	}
	defer func() { err = errors.Join(err, token.Close()) }()
	c.Out = filepath.Join(dir, "ceremony")
	c.Token = func(context.Context, string) (*hsm.Token, error) { return token, nil }
	c.Custodian = func(string, custody.Share) error { return nil }
	c.Rehearsed, c.rehearsal = "", true
	if c.Clock == nil {
		c.Clock = time.Now
	}
	result, err := Run(ctx, c)
	if err != nil {
		return nil, fmt.Errorf("rehearsing: %w", err)
	}
	r = &Rehearsal{Hash: result.Script.Hash(), Steps: len(result.Script.Steps)}
	for _, k := range result.Keys {
		r.Keys = append(r.Keys, string(k.Label))
	}
	for _, i := range result.Issued {
		r.Certificates = append(r.Certificates, i.Name)
	}
	return r, nil
}
