package ra

import (
	"context"
	"crypto/sha256"
	"fmt"
	"time"

	"smki.example/ca/store"
)

// A Vote is one person's answer. It is never changed.
type Vote struct {
	Person  PersonID
	Officer OfficerID
	Role    Role
	Accept  bool
	Hash    [sha256.Size]byte // of the bytes that the voter saw
	Comment string
	At      time.Time
}

// Vote agrees to an approval, or rejects it, on the hash of the bytes that the
// officer was shown. One rejection ends it, also when all have agreed and nothing is
// done yet. The last vote that is missing makes it approved; executing it is another
// step.
//
// A vote by who proposed it, whom it concerns, who has voted before under any of his
// offices, or whose role does not vote on it is refused ([ca.ErrRefused]), as is one on
// another hash. A vote on what is not open any more wraps [ca.ErrConflict].
func (r *Registry) Vote(ctx context.Context, by OfficerID, id int64, hash [sha256.Size]byte, accept bool, comment string) (*Approval, error) {
	var a *Approval
	err := r.decide(ctx, id, func(tx store.Tx, found *Approval, now time.Time) error {
		a = found
		o, err := activeOfficerIn(ctx, tx, by)
		if err != nil {
			return err
		}
		if why := r.mayNotVote(a, o); why != nil {
			return why
		}
		switch {
		case a.State != Pending && (a.State != Approved || accept):
			return conflict("%s is %s", a.name(), a.State)
		case hash != a.Hash:
			return refuse("hash", "%s is on the bytes with SHA-256 %s, and the vote is on %s; look again", a.name(), hashText(a.Hash), hashText(hash))
		case !accept && comment == "":
			return refuse("text", "a rejection needs a reason")
		}
		if err := checkText("the comment", comment, maxWords, false); err != nil {
			return err
		}
		v := Vote{Person: o.Person, Officer: o.ID, Role: o.Role, Accept: accept, Hash: hash, Comment: comment, At: now}
		if err := insertVote(ctx, tx, a.ID, v); err != nil {
			return err
		}
		a.Votes = append(a.Votes, v)
		switch {
		case !accept:
			err = r.shift(ctx, tx, now, a, Rejected, fmt.Sprintf("rejected by %s: %s", o.ID, comment), "")
		case a.Missing() == 0:
			err = r.shift(ctx, tx, now, a, Approved, "", "")
		}
		if err != nil {
			return err
		}
		return r.record(ctx, tx, now, KindVote, string(o.ID), map[string]any{
			"approval": a.ID, "act": a.Act, "subject": a.Subject, "sha256": hashText(hash), "person": o.Person, "accept": accept, "comment": comment, "state": a.State,
		})
	})
	if err != nil {
		return nil, fmt.Errorf("voting on approval %d: %w", id, err)
	}
	return a, nil
}

// mayNotVote says why an officer has no vote on an approval; nil: he has.
func (r *Registry) mayNotVote(a *Approval, o Officer) error {
	if !r.table.MayVote(o.Role, a.Act) {
		return refuse("rights", "%s %q has no vote on whether to %s", o.Role, o.ID, r.table.Acts[a.Act].Says)
	}
	if o.Person == a.Proposer {
		return refuse("own", "person %q proposed it", o.Person)
	}
	if why, barred := a.Barred[o.Person]; barred {
		return refuse("own", "person %q has no vote on it: %s", o.Person, why)
	}
	for _, v := range a.Votes {
		if v.Person == o.Person {
			return refuse("twice", "person %q has voted already, as officer %q", o.Person, v.Officer)
		}
	}
	return nil
}

func (a *Approval) loadVotes(ctx context.Context, tx store.Tx) error {
	votes, err := collect(ctx, tx, func(row interface{ Scan(...any) error }) (Vote, error) {
		var v Vote
		var hash []byte
		var at int64
		err := row.Scan(&v.Person, &v.Officer, &v.Role, &v.Accept, &hash, &v.Comment, &at)
		copy(v.Hash[:], hash)
		v.At = fromMicro(at)
		return v, err
	}, `SELECT person, officer, role, accept, hash, comment, voted_at FROM ra_vote WHERE approval = $1 ORDER BY voted_at, person`, a.ID)
	if err != nil {
		return fmt.Errorf("reading the votes on approval %d: %w", a.ID, err)
	}
	a.Votes, a.Barred = votes, make(map[PersonID]string)
	_, err = collect(ctx, tx, func(row interface{ Scan(...any) error }) (struct{}, error) {
		var person PersonID
		var why string
		err := row.Scan(&person, &why)
		a.Barred[person] = why
		return struct{}{}, err
	}, `SELECT person, why FROM ra_barred WHERE approval = $1`, a.ID)
	return err
}

func insertVote(ctx context.Context, tx store.Tx, id int64, v Vote) error {
	_, err := tx.Exec(ctx, `INSERT INTO ra_vote (approval, person, officer, role, accept, hash, comment, voted_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)`,
		id, string(v.Person), string(v.Officer), string(v.Role), v.Accept, v.Hash[:], v.Comment, micro(v.At))
	if err != nil {
		return fmt.Errorf("recording the vote: %w", err)
	}
	return nil
}
