package iki

import (
	"context"
	"fmt"
	"strings"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// watch looks until ctx ends.
func (g *Gate) watch(ctx context.Context) {
	ticker := time.NewTicker(g.every)
	defer ticker.Stop()
	for {
		if _, err := g.Look(ctx); err != nil && ctx.Err() == nil {
			g.logger.Error("asking about the open connections", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Look asks the ledger about every open connection, closes those whose certificate
// is not in use any more or has expired, and returns how many it closed. [Gate.Serve]
// does it all the time; who cannot wait for the next look calls it.
//
// If the ledger does not answer, the connections stay as long as the next look can
// still keep the promise of [CutOff], and are all closed then.
func (g *Gate) Look(ctx context.Context) (closed int, err error) {
	now := g.clock()
	ctx, cancel := context.WithTimeout(ctx, askTime)
	defer cancel()
	holders := g.holders()
	var serials []policy.Serial
	for serial := range holders {
		serials = append(serials, serial)
	}
	good, err := inUse(ctx, g.cfg.Store, serials)
	if err != nil && g.mayWait(now) {
		return 0, err
	}
	if err == nil {
		g.mu.Lock()
		g.answered = now
		g.mu.Unlock()
	}
	for serial, conns := range holders {
		why := ""
		switch {
		case err != nil:
			why = "the ledger does not answer"
		case !good[serial]:
			why = "its certificate is revoked"
		case !now.Before(conns[0].client.Load().NotAfter):
			why = "its certificate has expired"
		default:
			continue
		}
		for _, c := range conns {
			_ = c.Close() // whatever it says, the peer hears no more
			closed++
		}
		g.logger.Info("client cut off", "serial", serial, "connections", len(conns), "why", why)
	}
	return closed, err
}

// mayWait tells whether the look after this one, and all that it may wait for, is
// early enough.
func (g *Gate) mayWait(now time.Time) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return now.Add(g.every + 2*askTime).Before(g.answered.Add(CutOff))
}

// watching tells whether the ledger has answered lately.
func (g *Gate) watching() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.clock().After(g.answered.Add(CutOff))
}

// holders are the open connections by certificate.
func (g *Gate) holders() map[policy.Serial][]*conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	holders := make(map[policy.Serial][]*conn)
	for c := range g.open {
		if client := c.client.Load(); client != nil {
			holders[client.Serial] = append(holders[client.Serial], c)
		}
	}
	return holders
}

// inUse tells which serials have a certificate in use. With none to ask for it asks
// all the same, because the answer counts as one.
func inUse(ctx context.Context, s *store.Store, serials []policy.Serial) (map[policy.Serial]bool, error) {
	good := make(map[policy.Serial]bool)
	err := s.Read(ctx, func(tx store.Tx) error {
		for first := 0; first == 0 || first < len(serials); first += pageSize {
			part := serials[first:min(first+pageSize, len(serials))]
			args, places := []any{string(ca.StatusInUse)}, []string{"NULL"}
			for n := range part {
				args, places = append(args, part[n][:]), append(places, fmt.Sprintf("$%d", n+2))
			}
			rows, err := tx.Query(ctx, `SELECT serial FROM iki_certificate WHERE status = $1 AND serial IN (`+strings.Join(places, ", ")+`)`, args...)
			if err != nil {
				return err
			}
			for rows.Next() {
				var b []byte
				if err := rows.Scan(&b); err != nil {
					rows.Close()
					return err
				}
				var serial policy.Serial
				copy(serial[:], b)
				good[serial] = true
			}
			err = rows.Err()
			rows.Close()
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("asking the ledger: %w", err)
	}
	return good, nil
}
