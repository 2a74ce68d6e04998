package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	"smki.example/ca"
	"smki.example/ca/ra"
	"smki.example/ca/smkiws"
	"smki.example/ca/store"
	"smki.example/cmd/smki/console"
)

// releaseEvery is how often a server looks what was decided about batches: an officer
// who has agreed sees it happen.
const releaseEvery = 2 * time.Second

// A releaser stands between the batches that came in and the registration authority
// that releases them. Who submits a batch has asked for its release: the approval is
// proposed in the name of its system or officer as soon as the batch is there. Once the
// votes are in, approval and batch change in one transaction. A rejection ends both.
//
// Several servers on one home may do this at once: an approval can be open, and be
// spent, once.
type releaser struct {
	registry *ra.Registry
	batches  *smkiws.Service
	store    *store.Store
	logger   *slog.Logger
}

var _ console.Batches = (*releaser)(nil)

// run looks until ctx ends.
func (l *releaser) run(ctx context.Context) {
	ticker := time.NewTicker(releaseEvery)
	defer ticker.Stop()
	for {
		if err := l.look(ctx); err != nil && ctx.Err() == nil {
			l.logger.Error("looking what was decided about batches", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// look brings every batch that waits one step on, and joins the errors of single ones.
func (l *releaser) look(ctx context.Context) error {
	pending, err := l.batches.Pending(ctx)
	if err != nil {
		return err
	}
	var bad []error
	for _, b := range pending {
		if err := l.step(ctx, b); err != nil && !errors.Is(err, ca.ErrConflict) && !errors.Is(err, smkiws.ErrConflict) {
			bad = append(bad, fmt.Errorf("batch %d: %w", b.ID, err))
		}
	}
	return errors.Join(bad...)
}

func (l *releaser) step(ctx context.Context, b smkiws.Batch) error {
	officer, known := submitter(b)
	if !known {
		return nil // it came while nobody had to release it, and the setting was changed
	}
	deed := release(b)
	last, err := l.last(ctx, deed)
	if err != nil {
		return err
	}
	switch {
	case last == nil, !open(last) && last.State != ra.Rejected:
		_, err := l.registry.Propose(ctx, officer, deed)
		if errors.Is(err, ca.ErrRefused) {
			// Who sent it may not have it any more: it would wait for ever.
			return l.reject(ctx, b, err.Error())
		}
		if err == nil {
			l.logger.Info("release of a batch proposed", "batch", b.ID, "party", b.Party, "officer", officer)
		}
		return err
	case last.State == ra.Rejected:
		return l.reject(ctx, b, fmt.Sprintf("approval %d was rejected%s", last.ID, comment(last)))
	case last.State != ra.Approved:
		return nil
	}
	by := fmt.Sprintf("ra/approval-%d", last.ID)
	err = l.store.Write(ctx, func(tx store.Tx) error {
		if err := l.registry.Spend(ctx, tx, by, last.ID, deed); err != nil {
			return err
		}
		return l.batches.ApproveIn(ctx, tx, smkiws.Decision{Batch: b.ID, Digest: b.Digest, By: by})
	})
	if err == nil {
		l.logger.Info("batch released", "batch", b.ID, "approval", last.ID)
		return nil
	}
	if errors.Is(err, ca.ErrConflict) {
		// What was agreed to is not what would be done: the register has changed since, or
		// another server was first, and then there is nothing to take back.
		_, retracted := l.registry.Retract(ctx, officer, last.ID, "the register or the configuration has changed since: "+err.Error())
		if errors.Is(retracted, ca.ErrRefused) {
			return l.reject(ctx, b, err.Error()) // who submitted it is no officer any more
		}
		return retracted
	}
	return err
}

func (l *releaser) reject(ctx context.Context, b smkiws.Batch, why string) error {
	l.logger.Info("batch rejected", "batch", b.ID, "party", b.Party, "reason", why)
	return l.batches.Reject(ctx, smkiws.Decision{Batch: b.ID, Digest: b.Digest, By: "registration authority", Reason: why})
}

// last returns the newest approval on a batch with its state at this moment, or nil.
func (l *releaser) last(ctx context.Context, deed ra.ReleaseBatch) (*ra.Approval, error) {
	all, err := l.registry.ApprovalsOf(ctx, deed.Subject())
	if err != nil || len(all) == 0 {
		return nil, err
	}
	a := all[len(all)-1]
	a.State = a.StateAt(l.registry.Now())
	return a, nil
}

// Unreleased implements [console.Batches].
func (l *releaser) Unreleased(ctx context.Context, party ra.PartyID) ([]ra.ReleaseBatch, error) {
	pending, err := l.batches.Pending(ctx)
	if err != nil {
		return nil, err
	}
	var waiting []ra.ReleaseBatch
	for _, b := range pending {
		if _, known := submitter(b); !known || party != "" && string(party) != b.Party {
			continue
		}
		deed := release(b)
		last, err := l.last(ctx, deed)
		if err != nil {
			return nil, err
		}
		if last == nil || !open(last) {
			waiting = append(waiting, deed)
		}
	}
	return waiting, nil
}

// open tells whether a decision may still follow.
func open(a *ra.Approval) bool {
	return a.State == ra.Pending || a.State == ra.Approved || a.State == ra.Executing
}

// submitter is who sent a batch, if he is in the register.
func submitter(b smkiws.Batch) (ra.OfficerID, bool) {
	party, officer, found := strings.Cut(b.Requester, "/")
	return ra.OfficerID(officer), found && party == b.Party
}

// release is what is agreed to about a batch.
func release(b smkiws.Batch) ra.ReleaseBatch {
	through := "the batched web service"
	if b.Channel == smkiws.PortalChannel {
		through = "the portal"
	}
	return ra.ReleaseBatch{Batch: strconv.FormatInt(b.ID, 10), Party: ra.PartyID(b.Party), Interface: through, Digest: hex.EncodeToString(b.Digest[:]), Requests: b.Items}
}

// comment is what the one who rejected has said.
func comment(a *ra.Approval) string {
	for _, v := range a.Votes {
		if !v.Accept && v.Comment != "" {
			return ": " + v.Comment
		}
	}
	return ""
}
