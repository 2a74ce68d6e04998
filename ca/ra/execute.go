package ra

import (
	"context"
	"errors"
	"fmt"
	"time"

	"smki.example/ca"
	"smki.example/ca/store"
)

// Do proposes a deed and, where the table lets the officer act alone, executes it.
// Otherwise the approval that it returns is pending.
func (r *Registry) Do(ctx context.Context, by OfficerID, d Deed) (*Approval, error) {
	a, err := r.Propose(ctx, by, d)
	if err != nil || a.State != Approved {
		return a, err
	}
	return r.Execute(ctx, by, a.ID)
}

// Execute carries out an approval on which no vote is missing, once.
//
// The deed is made anew from the register and the configuration as they are now and
// compared with what was agreed to; the votes are counted again, and those of
// officers who were withdrawn since do not count. If either is not as it must be, the
// approval is void and the error wraps [ca.ErrConflict].
//
// A deed in the database alone is done in the transaction that settles it. For one
// that reaches outside, the approval is executing, on disk and in the audit log,
// before the Hands are asked; an error wrapping [ca.ErrUncertain] says that it is
// still not known what happened, and [Registry.Settle] will find out. An error of the
// Hands that wraps [ca.ErrRefused] makes the approval failed. After any other error
// nothing was done and the approval stands as it was, unless the error wraps
// [store.ErrUncertain]; then read it again.
func (r *Registry) Execute(ctx context.Context, by OfficerID, id int64) (*Approval, error) {
	a, err := r.execute(ctx, by, id)
	if err != nil {
		return a, fmt.Errorf("executing approval %d: %w", id, err)
	}
	return a, nil
}

func (r *Registry) execute(ctx context.Context, by OfficerID, id int64) (*Approval, error) {
	if !r.enter(id) {
		return nil, conflict("it is being executed")
	}
	defer r.leave(id)

	var a *Approval
	var out outside
	err := r.decide(ctx, id, func(tx store.Tx, found *Approval, now time.Time) error {
		a, out = found, nil
		o, err := r.executor(ctx, tx, by, a)
		if err != nil {
			return err
		}
		b, err := r.recheck(ctx, tx, now, a, nil)
		if err != nil {
			return err
		}
		switch d := b.deed.(type) {
		case inside:
			if err := d.apply(ctx, tx, r, a, now); err != nil {
				return err
			}
			if err := r.shift(ctx, tx, now, a, Executed, "", ""); err != nil {
				return err
			}
		case outside:
			if err := r.ready(d); err != nil {
				return err
			}
			out = d
			if err := r.shift(ctx, tx, now, a, Executing, "", ""); err != nil {
				return err
			}
		default:
			return refuse("deed", "%q is carried out by the service that asked for it", a.Act)
		}
		return r.recordExecution(ctx, tx, now, string(o.ID), a)
	})
	if err != nil || out == nil {
		return a, err
	}
	if err := r.at("announced"); err != nil {
		return a, err
	}
	return a, r.carryOut(ctx, a, out)
}

// executor returns the officer if he may set off the execution: he may propose the
// deed, or vote on it.
func (r *Registry) executor(ctx context.Context, tx store.Tx, by OfficerID, a *Approval) (Officer, error) {
	o, err := activeOfficerIn(ctx, tx, by)
	if err != nil {
		return o, err
	}
	if _, proposes := r.table.Needed(o.Role, a.Act); !proposes && !r.table.MayVote(o.Role, a.Act) {
		return o, refuse("rights", "%s %q may not %s", o.Role, o.ID, r.table.Acts[a.Act].Says)
	}
	return o, r.scope(o, a.Party)
}

// recheck decides whether an approval may be executed now: it is approved, the votes
// are there, and what would be done is what was agreed to. If d is not nil it is what
// the caller would do; else the deed itself says. An approval that will never be
// executed is void.
func (r *Registry) recheck(ctx context.Context, tx store.Tx, now time.Time, a *Approval, d Deed) (*bound, error) {
	if a.State != Approved {
		return nil, conflict("%s is %s", a.name(), a.State)
	}
	if d == nil {
		d = a.Deed
	}
	b, err := r.bind(ctx, tx, d)
	if err != nil && !isNo(err) {
		return nil, err
	}
	cause := ""
	switch {
	case err != nil:
		cause = err.Error()
	case b.hash != a.Hash:
		cause = fmt.Sprintf("what would be done has the SHA-256 %s and not the one that was approved: the register or the configuration has changed", hashText(b.hash))
	default:
		if cause, err = r.uncounted(ctx, tx, a); err != nil {
			return nil, err
		}
	}
	if cause == "" {
		return b, nil
	}
	if err := r.shift(ctx, tx, now, a, Void, cause, ""); err != nil {
		return nil, err
	}
	if err := r.recordExecution(ctx, tx, now, "ra", a); err != nil {
		return nil, err
	}
	return nil, verdict{conflict("%s is void: %s", a.name(), cause)}
}

// uncounted counts the votes again and says what is missing now; empty: nothing.
func (r *Registry) uncounted(ctx context.Context, tx store.Tx, a *Approval) (string, error) {
	proposer, err := activeOfficerIn(ctx, tx, a.ProposedBy)
	if err != nil {
		if isNo(err) {
			return fmt.Sprintf("who proposed it is no officer any more: %v", err), nil
		}
		return "", err
	}
	needed, ok := r.table.Needed(proposer.Role, a.Act)
	if !ok {
		return "who proposed it may not do so any more", nil
	}
	persons := make(map[PersonID]bool)
	for _, v := range a.Votes {
		if !v.Accept {
			return fmt.Sprintf("%s rejected it", v.Officer), nil
		}
		o, err := activeOfficerIn(ctx, tx, v.Officer)
		if err != nil && !isNo(err) {
			return "", err
		}
		_, barred := a.Barred[v.Person]
		if err == nil && o.Person == v.Person && !barred && v.Person != a.Proposer && v.Hash == a.Hash && r.table.MayVote(o.Role, a.Act) {
			persons[v.Person] = true
		}
	}
	if needed = max(needed, a.Needed); len(persons) < needed {
		return fmt.Sprintf("%d of %d votes count: those of officers who were withdrawn since do not", len(persons), needed), nil
	}
	return "", nil
}

// ready refuses an execution for which there is no hand, before it is announced.
func (r *Registry) ready(d outside) error {
	r.mu.Lock()
	h := r.hands
	r.mu.Unlock()
	switch d.(type) {
	case IssueCertificate:
		if h.Issuer == nil {
			return errors.New("no CA that issues is connected to this service")
		}
	case ExecuteRevocation:
		if h.Revoker == nil {
			return errors.New("no register of revocations is connected to this service")
		}
	}
	return nil
}

// carryOut asks the Hands and writes down what came of it. From here on the caller's
// leaving changes nothing: what was begun is settled.
func (r *Registry) carryOut(ctx context.Context, a *Approval, out outside) error {
	r.mu.Lock()
	hands := r.hands
	r.mu.Unlock()
	result, err := out.carry(ctx, hands, a)
	ctx = context.WithoutCancel(ctx)
	if perr := r.at("carried"); perr != nil {
		return perr
	}
	if err == nil {
		return r.finish(ctx, a, out, Executed, "", result)
	}
	// We were told that it failed. Whether it did, only a look can tell.
	found, there, ferr := out.find(ctx, hands, a)
	switch {
	case ferr != nil:
		return r.doubt(a, errors.Join(err, fmt.Errorf("looking whether it happened: %w", ferr)))
	case there:
		return r.finish(ctx, a, out, Executed, fmt.Sprintf("it was done, although it was said to have failed: %v", err), found)
	case errors.Is(err, ca.ErrRefused) || errors.Is(err, ca.ErrNotFound):
		return errors.Join(err, r.finish(ctx, a, out, Failed, err.Error(), ""))
	case errors.Is(err, ca.ErrUncertain) || errors.Is(err, store.ErrUncertain):
		return r.doubt(a, err)
	}
	return errors.Join(err, r.finish(ctx, a, out, Approved, fmt.Sprintf("it was tried and not done: %v", err), ""))
}

// doubt leaves the approval executing; Settle finds out.
func (r *Registry) doubt(a *Approval, err error) error {
	r.logger.Warn("execution in doubt", "approval", a.ID, "act", string(a.Act), "subject", a.Subject, "error", err.Error())
	if errors.Is(err, ca.ErrUncertain) {
		return err
	}
	return fmt.Errorf("%w: it is looked for again before anything else is done: %w", ca.ErrUncertain, err)
}

// finish settles an execution. If it cannot be written down, the approval stays
// executing and the outcome is found again.
func (r *Registry) finish(ctx context.Context, a *Approval, out outside, to ApprovalState, cause, result string) error {
	err := r.store.Write(ctx, func(tx store.Tx) error {
		now, b := r.Now(), *a
		if err := r.shift(ctx, tx, now, &b, to, cause, result); err != nil {
			return err
		}
		if to == Executed {
			if err := out.settle(ctx, tx, r, &b, result, now); err != nil {
				return err
			}
		}
		if err := r.recordExecution(ctx, tx, now, "ra", &b); err != nil {
			return err
		}
		*a = b
		return nil
	})
	if err != nil {
		return r.doubt(a, fmt.Errorf("writing down what became of it: %w", err))
	}
	return nil
}

// enter claims an approval for a goroutine of this process; leave gives it back.
func (r *Registry) enter(id int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.inFlight[id] {
		return false
	}
	r.inFlight[id] = true
	return true
}

func (r *Registry) leave(id int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.inFlight, id)
}

// A Settlement is an execution of which Settle found out what became of it.
type Settlement struct {
	Approval *Approval
	// Done says that it had happened. Otherwise it had not, and the approval is
	// approved again, to be executed anew by a decision of somebody.
	Done bool
}

// Settle finds out what became of executions whose process died, or that were left
// in doubt here: each is looked for by the request's key or the certificates'
// serials. What is there is recorded as executed; what is not is approved again, and
// nothing is ever repeated by Settle itself. Executions that a living process is at
// work on are left alone.
//
// Call it after Connect, and from time to time. It may run in several processes at
// once. The error joins those of single executions, which stay in doubt.
func (r *Registry) Settle(ctx context.Context) ([]Settlement, error) {
	open, err := read(ctx, r, "executions in progress", func(tx store.Tx) ([]*Approval, error) {
		return approvalsIn(ctx, tx, `state = 'executing'`, "id")
	})
	if err != nil {
		return nil, err
	}
	var done []Settlement
	var bad []error
	for _, a := range open {
		s, err := r.settle(ctx, a)
		if err != nil {
			bad = append(bad, fmt.Errorf("settling %s: %w", a.name(), err))
		} else if s != nil {
			done = append(done, *s)
		}
	}
	return done, errors.Join(bad...)
}

func (r *Registry) settle(ctx context.Context, a *Approval) (*Settlement, error) {
	if a.owner != r.lease.ID() {
		alive, err := r.store.Alive(ctx, a.owner)
		if err != nil || alive {
			return nil, err
		}
	}
	if !r.enter(a.ID) {
		return nil, nil
	}
	defer r.leave(a.ID)
	out, ok := a.Deed.(outside)
	if !ok {
		return nil, fmt.Errorf("%q is no deed that is carried out outside", a.Act)
	}
	if err := r.ready(out); err != nil {
		return nil, err
	}
	r.mu.Lock()
	hands := r.hands
	r.mu.Unlock()
	result, there, err := out.find(ctx, hands, a)
	if err != nil {
		return nil, err
	}
	to, cause := Approved, "its execution was interrupted; it was looked for and is not done"
	if there {
		to, cause = Executed, "its execution was interrupted; it was looked for and is done"
	}
	err = r.finish(ctx, a, out, to, cause, result)
	if errors.Is(err, ca.ErrConflict) {
		return nil, nil // another process has settled it
	}
	if err != nil {
		return nil, err
	}
	return &Settlement{Approval: a, Done: there}, nil
}

// Spend executes an approval in the caller's transaction, which does what was agreed
// to: afterwards the approval is executed, and it is so exactly if the caller's
// writes are. d is what the caller is about to do, made from its own rows; if it is
// not what was approved, the error wraps [ca.ErrConflict] and the caller must let its
// transaction fail. It is for deeds of other rooms: [ReleaseBatch].
func (r *Registry) Spend(ctx context.Context, tx store.Tx, by string, id int64, d Deed) error {
	err := r.decideIn(ctx, tx, id, func(tx store.Tx, a *Approval, now time.Time) error {
		if _, ok := a.Deed.(ReleaseBatch); !ok {
			return refuse("deed", "%q is executed here and not by another service", a.Act)
		}
		if _, err := r.recheck(ctx, tx, now, a, d); err != nil {
			return err
		}
		if err := r.shift(ctx, tx, now, a, Executed, "", ""); err != nil {
			return err
		}
		return r.recordExecution(ctx, tx, now, by, a)
	})
	if err != nil {
		return fmt.Errorf("executing approval %d: %w", id, err)
	}
	return nil
}
