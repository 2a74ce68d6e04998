package ceremony

import (
	"context"
	"encoding/json"
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
	Hash         string   `json:"script"` // SHA-256; what the run must be given as rehearsed
	Title        string   `json:"title"`
	Attended     bool     `json:"attended"` // the people in the room confirmed each step
	Steps        int      `json:"steps"`
	Keys         []string `json:"keys"`
	Certificates []string `json:"certificates"`
}

// Rehearse does everything that the script says on a throw-away SoftHSM token,
// verifies the result as [Load] does, and throws keys, shares and certificates
// away. Of c it uses Script, Environment, Out, Attend, Progress, Clock and Rand.
//
// If Out is set it must be vacant, as for [Run], and gets rehearsal.json, which
// a run in the same directory then holds its script against. All else happens
// in a temporary directory that is gone when Rehearse returns, whatever it
// returns. The certificates made in it are worth nothing:
// their keys are gone too.
func Rehearse(ctx context.Context, c Config) (r *Rehearsal, err error) {
	minutes := c.Out
	if minutes != "" {
		if err := vacant(minutes); err != nil {
			return nil, err
		}
	}
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
	r = &Rehearsal{Hash: result.Script.Hash(), Title: result.Script.Title, Attended: c.Attend != nil, Steps: len(result.Script.Steps)}
	for _, k := range result.Keys {
		r.Keys = append(r.Keys, string(k.Label))
	}
	for _, i := range result.Issued {
		r.Certificates = append(r.Certificates, i.Name)
	}
	if minutes == "" {
		return r, nil
	}
	return r, r.keep(minutes)
}

func (r *Rehearsal) keep(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("keeping the rehearsal: %w", err)
	}
	content, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("keeping the rehearsal: %w", err)
	}
	if err := writeFile(filepath.Join(dir, rehearsalFile), append(content, '\n'), 0o644); err != nil {
		return fmt.Errorf("keeping the rehearsal: %w", err)
	}
	return nil
}

// rehearsedIn returns the hash that a rehearsal left in dir, or "".
func rehearsedIn(dir string) (string, error) {
	content, err := os.ReadFile(filepath.Join(dir, rehearsalFile))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	var r Rehearsal
	if err := json.Unmarshal(content, &r); err != nil {
		return "", fmt.Errorf("reading %s: %w", rehearsalFile, err)
	}
	return r.Hash, nil
}
