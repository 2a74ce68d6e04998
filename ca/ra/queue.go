package ra

import (
	"context"
	"errors"
	"fmt"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
)

// An Item is an approval as one officer sees it in a queue.
type Item struct {
	*Approval
	// State is the approval's at the time of the question: expired is expired.
	State ApprovalState
	// Words say what will be done; the approval's Bytes are exactly that.
	Words string
	// Mark says what the rule rests on: S, I or K.
	Mark string
	// MayVote, MayExecute and MayRetract are what the officer can do with it now.
	MayVote    bool
	MayExecute bool
	MayRetract bool
	// MyVote says, in a sentence, what the officer's vote would do, or why there is
	// none.
	MyVote string
	// Stale says, in a sentence, why an execution would find the approval void, if
	// it would.
	Stale string
}

// A Page is a part of a list. Lists grow without end; what is asked for at once is
// bounded.
type Page struct {
	From int64 // the number of the last one of the page before; 0: begin
	Most int   // how many at most; 0: 200
}

// most is the bound of a page.
func (p Page) most() int {
	if p.Most <= 0 {
		return 200
	}
	return p.Most
}

// cut leaves one page of what was read with one more, and says where the next begins;
// 0: this is the end.
func cut[T any](all []T, p Page, number func(T) int64) ([]T, int64) {
	if len(all) <= p.most() {
		return all, 0
	}
	all = all[:p.most()]
	return all, number(all[len(all)-1])
}

// Queue returns the open approvals that an officer may see, oldest first: a party's
// officer his party's, the registration authority's all; of one act, or of all for
// "". What has expired by now is not among them, it is in [Registry.History]. It
// returns where the next page begins too; 0: this is the last.
func (r *Registry) Queue(ctx context.Context, by OfficerID, act Act, p Page) ([]Item, int64, error) {
	var next int64
	items, err := read(ctx, r, "the queue of approvals", func(tx store.Tx) ([]Item, error) {
		o, all, err := r.reader(ctx, tx, by)
		if err != nil {
			return nil, err
		}
		party := string(o.Party)
		if all {
			party = ""
		}
		now := r.Now()
		open, err := approvalsIn(ctx, tx, `(state = 'executing' OR state IN ('pending', 'approved') AND expires_at > $1)
			AND ($2 = '' OR party = $3) AND ($4 = '' OR act = $5) AND id > $6`, "id LIMIT $7",
			micro(now), party, party, string(act), string(act), p.From, p.most()+1)
		if err != nil {
			return nil, err
		}
		open, next = cut(open, p, func(a *Approval) int64 { return a.ID })
		var items []Item
		for _, a := range open {
			item, err := r.item(ctx, tx, o, a, now)
			if err != nil {
				return nil, err
			}
			items = append(items, item)
		}
		return items, nil
	})
	return items, next, err
}

// Item returns one approval, open or settled, as an officer sees it.
func (r *Registry) Item(ctx context.Context, by OfficerID, id int64) (Item, error) {
	return read(ctx, r, "the queue of approvals", func(tx store.Tx) (Item, error) {
		o, all, err := r.reader(ctx, tx, by)
		if err != nil {
			return Item{}, err
		}
		a, err := approvalIn(ctx, tx, id)
		if err != nil {
			return Item{}, err
		}
		if !all && a.Party != o.Party {
			return Item{}, refuse("scope", "%s %q acts for party %q only", o.Role, o.ID, o.Party)
		}
		return r.item(ctx, tx, o, a, r.Now())
	})
}

// reader returns the officer if he reads queues, and whether he reads all of them.
func (r *Registry) reader(ctx context.Context, tx store.Tx, by OfficerID) (Officer, bool, error) {
	o, err := activeOfficerIn(ctx, tx, by)
	if err != nil {
		return o, false, err
	}
	_, err = r.mayIn(ctx, tx, by, ActReadQueues, o.Party)
	return o, r.table.Roles[o.Role].Side == SideRA, err
}

func (r *Registry) item(ctx context.Context, tx store.Tx, o Officer, a *Approval, now time.Time) (Item, error) {
	item := Item{Approval: a, State: a.StateAt(now), Words: a.Deed.Words(), Mark: r.table.Acts[a.Act].Mark}
	why := r.mayNotVote(a, o)
	open := item.State == Pending || item.State == Approved
	item.MayVote = why == nil && open
	item.MayRetract = open && o.Person == a.Proposer
	if item.State == Approved {
		_, err := r.executor(ctx, tx, o.ID, a)
		_, elsewhere := a.Deed.(ReleaseBatch)
		item.MayExecute = err == nil && !elsewhere
		if err != nil && !isNo(err) {
			return item, err
		}
	}
	switch missing := a.Missing(); {
	case !open:
		item.MyVote = fmt.Sprintf("It is %s; there is nothing to vote on.", item.State)
	case why != nil:
		item.MyVote = fmt.Sprintf("You have no vote: %s.", reasonOf(why))
	case item.State == Approved:
		item.MyVote = "All votes that are needed are there. Your rejection would still end it, as long as it is not executed."
	case missing == 1:
		item.MyVote = "Your agreement is the last that is missing: it may then be carried out. Your rejection ends it for good."
	default:
		item.MyVote = fmt.Sprintf("Your agreement counts; %d more would be missing after it. Your rejection ends it for good.", missing-1)
	}
	if open {
		b, err := r.bind(ctx, tx, a.Deed)
		switch {
		case err != nil && !isNo(err):
			return item, err
		case err != nil:
			item.Stale = fmt.Sprintf("It cannot be carried out as things are: %s.", reasonOf(err))
		case b.hash != a.Hash:
			item.Stale = "The register or the configuration has changed since it was proposed; it must be proposed again."
		}
	}
	return item, nil
}

// reasonOf is a refusal without the words in front that say that it is one.
func reasonOf(err error) string {
	var refusal *ca.Refusal
	if errors.As(err, &refusal) {
		return refusal.Err.Error()
	}
	return err.Error()
}

// Approval returns one approval, open or settled. The error wraps [ca.ErrNotFound].
func (r *Registry) Approval(ctx context.Context, id int64) (*Approval, error) {
	return read(ctx, r, "approval", func(tx store.Tx) (*Approval, error) { return approvalIn(ctx, tx, id) })
}

// ApprovalsOf returns every approval on a subject ("batch/17", "request/3"), oldest
// first: the last is the one that counts.
func (r *Registry) ApprovalsOf(ctx context.Context, subject string) ([]*Approval, error) {
	return read(ctx, r, "approvals", func(tx store.Tx) ([]*Approval, error) { return approvalsIn(ctx, tx, `subject = $1`, "id", subject) })
}

// History returns the approvals that are settled, or have expired with nobody having
// touched them since, newest first; of a party, or of all for "". It returns where
// the next page, of older ones, begins too; 0: this is the last.
func (r *Registry) History(ctx context.Context, party PartyID, p Page) ([]*Approval, int64, error) {
	var next int64
	all, err := read(ctx, r, "approvals", func(tx store.Tx) ([]*Approval, error) {
		now := r.Now()
		all, err := approvalsIn(ctx, tx, `(state NOT IN ('pending', 'approved', 'executing') OR state IN ('pending', 'approved') AND expires_at <= $1)
			AND ($2 = '' OR party = $3) AND ($4 = 0 OR id < $5)`, "id DESC LIMIT $6",
			micro(now), string(party), string(party), p.From, p.From, p.most()+1)
		all, next = cut(all, p, func(a *Approval) int64 { return a.ID })
		for _, a := range all {
			if a.State != a.StateAt(now) {
				a.State, a.Cause, a.SettledAt = Expired, "nobody carried it out in time", a.ExpiresAt
			}
		}
		return all, err
	})
	return all, next, err
}

// order is how a list goes on: what waits oldest first, what is settled newest first.
func order(settled bool) string {
	if settled {
		return `($4 = 0 OR id < $5) ORDER BY id DESC LIMIT $6`
	}
	return `($4 = 0 OR id > $5) ORDER BY id LIMIT $6`
}

// Requests returns the requests for Organisation Certificates in a state, of a party,
// or of all for "": those that wait oldest first, settled ones newest first. It
// returns where the next page begins too; 0: this is the last.
func (r *Registry) Requests(ctx context.Context, state RequestState, party PartyID, p Page) ([]*Request, int64, error) {
	var next int64
	all, err := read(ctx, r, "requests", func(tx store.Tx) ([]*Request, error) {
		all, err := collect(ctx, tx, scanRequest, `SELECT `+requestColumns+` FROM ra_request WHERE state = $1 AND ($2 = '' OR party = $3) AND `+order(state != Asked),
			string(state), string(party), string(party), p.From, p.From, p.most()+1)
		all, next = cut(all, p, func(q *Request) int64 { return q.ID })
		for _, q := range all {
			err = errors.Join(err, q.loadChecks(ctx, tx))
		}
		return all, err
	})
	return all, next, err
}

// Request returns one request for an Organisation Certificate. The error wraps
// [ca.ErrNotFound].
func (r *Registry) Request(ctx context.Context, id int64) (*Request, error) {
	return read(ctx, r, "request", func(tx store.Tx) (*Request, error) { return requestIn(ctx, tx, id) })
}

// Revocations returns the revocation requests in a state, of a party, or of all for
// "": those that wait oldest first, settled ones newest first. It returns where the
// next page begins too; 0: this is the last.
func (r *Registry) Revocations(ctx context.Context, state RevocationState, party PartyID, p Page) ([]*RevocationRequest, int64, error) {
	var next int64
	all, err := read(ctx, r, "revocation requests", func(tx store.Tx) ([]*RevocationRequest, error) {
		all, err := collect(ctx, tx, scanRevocation, `SELECT `+revocationColumns+` FROM ra_revocation WHERE state = $1 AND ($2 = '' OR party = $3) AND `+order(state == Revoked || state == NotRevoked),
			string(state), string(party), string(party), p.From, p.From, p.most()+1)
		all, next = cut(all, p, func(q *RevocationRequest) int64 { return q.ID })
		return all, err
	})
	return all, next, err
}

// Revocation returns one revocation request. The error wraps [ca.ErrNotFound].
func (r *Registry) Revocation(ctx context.Context, id int64) (*RevocationRequest, error) {
	return read(ctx, r, "revocation request", func(tx store.Tx) (*RevocationRequest, error) { return revocationIn(ctx, tx, id) })
}

// Due returns the deferred revocation requests whose date has passed, oldest first:
// somebody must decide on them now.
func (r *Registry) Due(ctx context.Context) ([]*RevocationRequest, error) {
	return read(ctx, r, "revocation requests", func(tx store.Tx) ([]*RevocationRequest, error) {
		return collect(ctx, tx, scanRevocation, `SELECT `+revocationColumns+` FROM ra_revocation WHERE state = 'deferred' AND deferred_until <= $1 ORDER BY deferred_until, id`, micro(r.Now()))
	})
}
