package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"smki.example/ca/iki"
	"smki.example/ca/revocation"
)

// How often the servers of a database look whether a list is due, and each whether other
// processes have died. Lists are due hours apart and an hour after a revocation; a look
// is one short read.
const (
	lookEvery       = 5 * time.Second
	reconcileEvery  = 10 * time.Second
	checkpointEvery = time.Minute
	alarmEvery      = 15 * time.Minute // between two log lines of one alarm
)

// A publisher publishes the lists of a served CA when they are due, tells of lists that
// are late, and settles what dead processes left behind. Of several servers on one
// database one publishes at a time (see jobs); each tells of what is late.
type publisher struct {
	desk   *desk
	logger *slog.Logger

	mu        sync.Mutex
	published map[string]int64     // lists published by this process, by issuer
	failures  map[string]int64     // attempts that failed
	failed    map[string]string    // last failure, until a list is published
	told      map[string]time.Time // when an alarm was last logged
}

func newPublisher(d *desk, logger *slog.Logger) *publisher {
	return &publisher{desk: d, logger: logger, published: make(map[string]int64), failures: make(map[string]int64),
		failed: make(map[string]string), told: make(map[string]time.Time)}
}

// run tells and settles until ctx ends.
func (p *publisher) run(ctx context.Context) {
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	var reconciled, signed time.Time
	for {
		if time.Since(reconciled) >= reconcileEvery {
			if _, err := p.desk.issuer.Reconcile(ctx); err != nil && ctx.Err() == nil {
				p.logger.Error("settling what dead processes left behind", "error", err)
			}
			reconciled = time.Now()
		}
		if time.Since(signed) >= checkpointEvery {
			// A server that is killed signs no last head of the log.
			if _, err := p.desk.issuer.Log().Checkpoint(ctx); err != nil && ctx.Err() == nil {
				p.logger.Error("signing the head of the audit log", "error", err)
			}
			signed = time.Now()
		}
		p.tell(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// standings are those of every list that is published here, the IKI authority's last.
func (d *desk) standings(ctx context.Context, now time.Time) ([]revocation.Standing, error) {
	all, err := d.register.Standings(ctx, now)
	for _, a := range d.ikis {
		if err != nil {
			break
		}
		var s iki.Standing
		s, err = a.Standing(ctx, now)
		all = append(all, revocation.Standing(s))
	}
	return all, err
}

// publishList publishes the list of one authority and returns its number.
func (d *desk) publishList(ctx context.Context, issuer string) (int64, error) {
	if a := d.ikiOf(issuer); a != nil {
		record, err := a.PublishCRL(ctx)
		if err != nil {
			return 0, err
		}
		return record.Number, nil
	}
	record, err := d.register.PublishCRL(ctx, issuer)
	if err != nil {
		return 0, err
	}
	return record.Number, nil
}

// publish publishes what is due. A list that cannot be published is an alarm, and is
// tried again with the next look.
func (p *publisher) publish(ctx context.Context) error {
	now := p.desk.issuer.Now()
	all, err := p.desk.standings(ctx, now)
	if err != nil {
		return fmt.Errorf("looking which lists are due: %w", err)
	}
	for _, s := range all {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if s.DueAt.After(now) {
			continue
		}
		number, err := p.desk.publishList(ctx, s.Issuer)
		p.mu.Lock()
		if err != nil {
			p.failures[s.Issuer]++
			p.failed[s.Issuer] = err.Error()
			p.mu.Unlock()
			continue
		}
		p.published[s.Issuer]++
		delete(p.failed, s.Issuer)
		p.mu.Unlock()
		p.logger.Info("list published", "issuer", s.Issuer, "number", number)
	}
	return nil
}

// tell logs which lists are late.
func (p *publisher) tell(ctx context.Context) {
	standings, err := p.desk.standings(ctx, p.desk.issuer.Now())
	if err != nil {
		if ctx.Err() == nil {
			p.logger.Error("looking which lists are late", "error", err)
		}
		return
	}
	for _, s := range standings {
		alarm := p.alarm(s)
		if alarm == "" {
			delete(p.told, s.Issuer)
			continue
		}
		if last := p.told[s.Issuer]; time.Since(last) >= alarmEvery {
			p.told[s.Issuer] = time.Now()
			p.logger.Error("list is late", "issuer", s.Issuer, "number", s.Number, "next_update", s.NextUpdate, "alarm", alarm)
		}
	}
}

// metrics answers in the text format of Prometheus.
func (p *publisher) metrics(w http.ResponseWriter, r *http.Request) {
	standings, err := p.desk.standings(r.Context(), p.desk.issuer.Now())
	if err != nil {
		http.Error(w, "the ledger does not answer", http.StatusServiceUnavailable)
		return
	}
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	w.Header().Set("Cache-Control", "no-store")
	fmt.Fprint(w, "# TYPE smki_crl_published_total counter\n# TYPE smki_crl_failures_total counter\n# TYPE smki_crl_number gauge\n# TYPE smki_crl_next_update_seconds gauge\n# TYPE smki_crl_alarm gauge\n")
	for _, s := range standings {
		alarm := 0
		if p.alarm(s) != "" {
			alarm = 1
		}
		p.mu.Lock()
		published, failures := p.published[s.Issuer], p.failures[s.Issuer]
		p.mu.Unlock()
		fmt.Fprintf(w, "smki_crl_published_total{issuer=%q} %d\nsmki_crl_failures_total{issuer=%q} %d\nsmki_crl_number{issuer=%q} %d\nsmki_crl_next_update_seconds{issuer=%q} %d\nsmki_crl_alarm{issuer=%q} %d\n",
			s.Issuer, published, s.Issuer, failures, s.Issuer, s.Number, s.Issuer, s.NextUpdate.Unix(), s.Issuer, alarm)
	}
}
