package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"smki.example/ca/revocation"
	"smki.example/ca/store"
	"smki.example/cmd/clikit"
)

// Readiness is asked by anybody, and each answer costs a signature and a write: one
// answer serves for a second.
const (
	readyAge  = time.Second
	readyTime = 5 * time.Second
)

// readiness tells whether the CA could issue at this moment.
type readiness struct {
	desk      *desk
	publisher *publisher

	mu   sync.Mutex // held while looking, so that many askers make one look
	last readyReport
	at   time.Time
}

// readyReport is the body of /readyz. An alarm does not make the CA unready: it
// can still issue, and somebody has to look.
type readyReport struct {
	Ready bool        `json:"ready"`
	Token string      `json:"token"`
	Store string      `json:"store"`
	Lists []readyList `json:"lists"`
	Alarm bool        `json:"alarm"`
}

type readyList struct {
	Issuer     string    `json:"issuer"`
	Number     int64     `json:"number"`
	NextUpdate time.Time `json:"next_update"`
	DueAt      time.Time `json:"due_at"`
	Pending    int64     `json:"pending"`
	Alarm      string    `json:"alarm,omitempty"`
}

func (r *readiness) answer(w http.ResponseWriter, _ *http.Request) {
	report := r.look()
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Type", "application/json")
	if !report.Ready {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = clikit.JSON(w, report) // the asker may have gone
}

func (r *readiness) look() readyReport {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.at.IsZero() && time.Since(r.at) < readyAge {
		return r.last
	}
	// The look is everybody's: it does not end with the one who asked first.
	ctx, cancel := context.WithTimeout(context.Background(), readyTime)
	defer cancel()
	report := readyReport{Token: says(r.desk.token.Health(ctx)), Store: says(r.desk.probe(ctx)), Lists: []readyList{}}
	standings, err := r.desk.standings(ctx, r.desk.issuer.Now())
	if err != nil {
		report.Store = says(err)
	}
	for _, s := range standings {
		alarm := r.publisher.alarm(s)
		report.Lists = append(report.Lists, readyList{s.Issuer, s.Number, s.NextUpdate, s.DueAt, s.Pending, alarm})
		report.Alarm = report.Alarm || alarm != ""
	}
	report.Ready = report.Token == "ok" && report.Store == "ok"
	r.last, r.at = report, time.Now()
	return report
}

func says(err error) string {
	if err == nil {
		return "ok"
	}
	return err.Error()
}

// probe writes one row: a database that can be read may still be full.
func (d *desk) probe(ctx context.Context) error {
	err := d.store.Write(ctx, func(tx store.Tx) error {
		n, err := tx.Exec(ctx, `INSERT INTO write_probe (id, at) VALUES (1, $1) ON CONFLICT (id) DO UPDATE SET at = excluded.at`, d.issuer.Now().UnixMicro())
		if err == nil && n != 1 {
			err = errors.New("the probe was not written")
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("writing to the database: %w", err)
	}
	return nil
}

// alarm is the register's, or else that publishing failed the last time.
func (p *publisher) alarm(s revocation.Standing) string {
	if s.Alarm != "" {
		return s.Alarm
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if failure := p.failed[s.Issuer]; failure != "" {
		return "publishing failed: " + failure
	}
	return ""
}
