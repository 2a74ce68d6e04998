package ra_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/ca"
	"smki.example/ca/ra"
	"smki.example/ca/store"
	"smki.example/ca/store/storetest"
	"smki.example/policy"
)

// enrol is a deed that needs one vote of the registration authority.
func enrol(n int) ra.EnrolParty {
	return ra.EnrolParty{Party: ra.PartyID(fmt.Sprintf("party-%d", n)), Name: "A party", Category: ra.OtherParty, Application: "form 1"}
}

// What is shown is what is hashed, and what is done.
func TestApprovalBindsExactBytes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := w.asked(t, 7)
	a, err := w.ra.Propose(t.Context(), personnel1, ra.IssueCertificate{Request: q.ID})
	require.NoError(t, err)
	require.Equal(t, sha256.Sum256(a.Bytes), a.Hash)
	p, err := w.hierarchy.Environment.Profile(policy.ProfileOrganisation)
	require.NoError(t, err)
	require.Equal(t, policy.ProfileOrganisation, a.Profile)
	require.Equal(t, []int{p.Version, w.hierarchy.Environment.Version, 2}, []int{a.ProfileVersion, a.PolicyVersion, a.TableVersion})
	for _, want := range []string{`"act": "issue-organisation-certificate"`, `"environment": "production"`, `"policy_version": `, `"table_version": 2`,
		`"profile": "organisation"`, `"profile_version": `, entity(7).String(), fmt.Sprintf("%x", sha256.Sum256(q.DER)), `"usage": "digitalSignature"`, `"asker": "aro-a"`} {
		require.Contains(t, string(a.Bytes), want)
	}
	again, err := w.ra.Approval(t.Context(), a.ID)
	require.NoError(t, err)
	require.Equal(t, a.Bytes, again.Bytes)
	require.Equal(t, a.Deed, again.Deed)
	require.Contains(t, again.Deed.Words(), entity(7).String())

	_, err = w.ra.Vote(t.Context(), personnel2, a.ID, sha256.Sum256([]byte("what another page showed")), true, "")
	refused(t, err, "hash")
}

func TestWhoMayNotVote(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	// One person in two offices: a manager who is RA personnel too.
	second := appoint("personnel-of-manager-1", "", ra.RAPersonnel)
	second.Person = person(manager1)
	w.done(t, manager2, second, manager1OtherThan(t, w))

	a, err := w.ra.Propose(t.Context(), manager1, enrol(1))
	require.NoError(t, err)
	_, err = w.ra.Vote(t.Context(), manager1, a.ID, a.Hash, true, "")
	refused(t, err, "own")
	_, err = w.ra.Vote(t.Context(), "personnel-of-manager-1", a.ID, a.Hash, true, "")
	refused(t, err, "own")

	aro := appoint("aro-2", "supplier-a", ra.ARO)
	a, err = w.ra.Propose(t.Context(), sroA, aro)
	require.NoError(t, err)
	_, err = w.ra.Vote(t.Context(), manager1, a.ID, a.Hash, true, "")
	require.NoError(t, err)
	for _, by := range []ra.OfficerID{manager1, "personnel-of-manager-1"} {
		_, err = w.ra.Vote(t.Context(), by, a.ID, a.Hash, true, "")
		refused(t, err, "twice")
	}
	_, err = w.ra.Execute(t.Context(), personnel1, a.ID)
	require.ErrorIs(t, err, ca.ErrConflict)
	a, err = w.ra.Vote(t.Context(), personnel1, a.ID, a.Hash, true, "")
	require.NoError(t, err)
	require.Equal(t, ra.Approved, a.State)

	// What is about somebody is not his to vote on, whoever proposed it.
	a, err = w.ra.Propose(t.Context(), personnel1, ra.AddCredential{Officer: personnel2, Certificate: certificate(t, "p2")})
	require.NoError(t, err)
	_, err = w.ra.Vote(t.Context(), personnel2, a.ID, a.Hash, true, "")
	refused(t, err, "own")
	q, err := w.ra.AskRevocation(t.Context(), personnel1, []policy.Serial{w.issued(t, 1)}, policy.ReasonKeyCompromise, "found on a web page")
	require.NoError(t, err)
	refused(t, w.ra.AuthenticateRevocation(t.Context(), personnel1, q.ID, "I said so"), "own")
	require.NoError(t, w.ra.AuthenticateRevocation(t.Context(), personnel3, q.ID, "the page was seen"))
	a, err = w.ra.Propose(t.Context(), personnel2, ra.ExecuteRevocation{Request: q.ID})
	require.NoError(t, err)
	_, err = w.ra.Vote(t.Context(), personnel1, a.ID, a.Hash, true, "")
	refused(t, err, "own")
	_, err = w.ra.Vote(t.Context(), "nobody", a.ID, a.Hash, true, "")
	refused(t, err, "officer")
	_, err = w.ra.Vote(t.Context(), personnel3, a.ID+1000, a.Hash, true, "")
	require.ErrorIs(t, err, ca.ErrNotFound)
}

// manager1OtherThan appoints a third manager, who can vote on what is about the first.
func manager1OtherThan(t *testing.T, w *world) ra.OfficerID {
	w.done(t, manager1, appoint("manager-3", "", ra.RAManager), manager2)
	return "manager-3"
}

func TestOneRejectionEndsIt(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, err := w.ra.Propose(t.Context(), personnel1, enrol(1))
	require.NoError(t, err)
	_, err = w.ra.Vote(t.Context(), manager1, a.ID, a.Hash, false, "")
	refused(t, err, "text")
	a, err = w.ra.Vote(t.Context(), manager1, a.ID, a.Hash, false, "not this form")
	require.NoError(t, err)
	require.Equal(t, ra.Rejected, a.State)
	_, err = w.ra.Vote(t.Context(), personnel2, a.ID, a.Hash, true, "")
	require.ErrorIs(t, err, ca.ErrConflict)
	_, err = w.ra.Execute(t.Context(), personnel1, a.ID)
	require.ErrorIs(t, err, ca.ErrConflict)

	a = w.agreed(t, personnel1, enrol(1), personnel2)
	a, err = w.ra.Vote(t.Context(), manager1, a.ID, a.Hash, false, "stop")
	require.NoError(t, err, "also when all have agreed")
	require.Equal(t, ra.Rejected, a.State)
	_, err = w.ra.Execute(t.Context(), personnel1, a.ID)
	require.ErrorIs(t, err, ca.ErrConflict)
	require.ErrorContains(t, err, "rejected")
	_, err = w.ra.Party(t.Context(), "party-1")
	require.ErrorIs(t, err, ca.ErrNotFound)
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, err := w.ra.Propose(t.Context(), personnel1, enrol(1))
	require.NoError(t, err)
	late := w.agreed(t, personnel1, enrol(2), personnel2)
	_, err = w.ra.Propose(t.Context(), manager1, enrol(1))
	require.ErrorIs(t, err, ca.ErrConflict, "one decision at a time on a subject")
	w.pass(168*time.Hour - time.Microsecond)
	require.Equal(t, ra.Pending, a.StateAt(w.clock()))
	w.pass(time.Microsecond)
	require.Equal(t, ra.Expired, a.StateAt(w.clock()))
	queue, _, err := w.ra.Queue(t.Context(), personnel2, "", ra.Page{})
	require.NoError(t, err)
	require.Empty(t, queue)
	before := w.records(t)
	_, err = w.ra.Vote(t.Context(), personnel2, a.ID, a.Hash, true, "")
	require.ErrorIs(t, err, ca.ErrConflict)
	require.ErrorContains(t, err, "expired")
	require.Equal(t, before+1, w.records(t), "that it expired is written down once")
	_, err = w.ra.Vote(t.Context(), personnel2, a.ID, a.Hash, true, "")
	require.ErrorContains(t, err, "is expired")
	require.Equal(t, before+1, w.records(t))
	_, err = w.ra.Execute(t.Context(), personnel1, late.ID)
	require.ErrorContains(t, err, "expired")
	w.done(t, personnel1, enrol(1), personnel2)
	b, err := w.ra.Propose(t.Context(), personnel1, enrol(2))
	require.NoError(t, err, "what expired makes room")
	require.NotEqual(t, late.ID, b.ID)
}

func TestRetract(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a := w.agreed(t, personnel1, enrol(1), personnel2)
	_, err := w.ra.Retract(t.Context(), personnel2, a.ID, "no")
	refused(t, err, "own")
	a, err = w.ra.Retract(t.Context(), personnel1, a.ID, "a slip")
	require.NoError(t, err)
	require.Equal(t, ra.Retracted, a.State)
	_, err = w.ra.Retract(t.Context(), personnel1, a.ID, "a slip")
	require.ErrorIs(t, err, ca.ErrConflict)
}

// What would be done is made anew at its execution; if it is not what was approved,
// nothing is done, for good.
func TestVoid(t *testing.T) {
	t.Parallel()
	change := func(w *world, d ra.Deed) func(*testing.T) {
		return func(t *testing.T) { w.done(t, personnel1, d, personnel2) }
	}
	for says, tt := range map[string]struct {
		deed  func(t *testing.T, w *world) ra.Deed
		after func(t *testing.T, w *world) *ra.Registry
	}{
		"the identifier went to somebody else": {
			func(*testing.T, *world) ra.Deed {
				return ra.AssignIdentifiers{Party: "supplier-a", Range: ra.One(entity(500)), Application: "form"}
			},
			func(t *testing.T, w *world) *ra.Registry {
				change(w, ra.AssignIdentifiers{Party: "supplier-a", Range: ra.Range{First: entity(499), Last: entity(501)}, Application: "form"})(t)
				return w.ra
			},
		},
		"the party was withdrawn": {
			func(*testing.T, *world) ra.Deed {
				return ra.AssignIdentifiers{Party: "supplier-a", Range: ra.One(entity(500)), Application: "form"}
			},
			func(t *testing.T, w *world) *ra.Registry {
				change(w, ra.WithdrawParty{Party: "supplier-a", Why: "expelled"})(t)
				return w.ra
			},
		},
		"another check was made of the request": {
			func(t *testing.T, w *world) ra.Deed { return ra.IssueCertificate{Request: w.asked(t, 1).ID} },
			func(t *testing.T, w *world) *ra.Registry {
				require.NoError(t, w.ra.RecordCheck(t.Context(), personnel3, 1, "officer", true, "other file"))
				return w.ra
			},
		},
		"a check has failed since": {
			func(t *testing.T, w *world) ra.Deed { return ra.IssueCertificate{Request: w.asked(t, 1).ID} },
			func(t *testing.T, w *world) *ra.Registry {
				require.NoError(t, w.ra.RecordCheck(t.Context(), personnel3, 1, "officer", false, "the passport is a forgery"))
				return w.ra
			},
		},
		"the party took its request back": {
			func(t *testing.T, w *world) ra.Deed { return ra.IssueCertificate{Request: w.asked(t, 1).ID} },
			func(t *testing.T, w *world) *ra.Registry {
				require.NoError(t, w.ra.CloseRequest(t.Context(), aroA, 1, "a slip"))
				return w.ra
			},
		},
		"the environment has a new version": {
			func(*testing.T, *world) ra.Deed { return enrol(1) },
			func(t *testing.T, w *world) *ra.Registry {
				env := *w.hierarchy.Environment
				env.Version++
				return w.open(t, &env, nil)
			},
		},
		"the table has a new version": {
			func(*testing.T, *world) ra.Deed { return enrol(1) },
			func(t *testing.T, w *world) *ra.Registry {
				table, err := ra.ParseTable("next", []byte(strings.Replace(string(ra.Embedded()), `"version": 2`, `"version": 3`, 1)))
				require.NoError(t, err)
				return w.open(t, w.hierarchy.Environment, table)
			},
		},
		"the table asks for more votes under the same version": {
			func(*testing.T, *world) ra.Deed { return enrol(1) },
			func(t *testing.T, w *world) *ra.Registry {
				table, err := ra.ParseTable("next", []byte(strings.ReplaceAll(string(ra.Embedded()), `"needed": {"ra": 1}`, `"needed": {"ra": 2}`)))
				require.NoError(t, err)
				return w.open(t, w.hierarchy.Environment, table)
			},
		},
		"who agreed was withdrawn": {
			func(*testing.T, *world) ra.Deed { return enrol(1) },
			func(t *testing.T, w *world) *ra.Registry {
				w.done(t, manager1, ra.WithdrawOfficer{Officer: personnel2, Why: "dismissed"}, manager2)
				return w.ra
			},
		},
		"who proposed it was withdrawn": {
			func(*testing.T, *world) ra.Deed { return enrol(1) },
			func(t *testing.T, w *world) *ra.Registry {
				w.done(t, manager1, ra.WithdrawOfficer{Officer: personnel1, Why: "dismissed"}, manager2)
				return w.ra
			},
		},
	} {
		t.Run(says, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			a := w.agreed(t, personnel1, tt.deed(t, w), personnel2)
			r := tt.after(t, w)
			_, err := r.Execute(t.Context(), manager1, a.ID)
			require.ErrorIs(t, err, ca.ErrConflict)
			require.ErrorContains(t, err, "void")
			a, err = w.ra.Approval(t.Context(), a.ID)
			require.NoError(t, err)
			require.Equal(t, ra.Void, a.State)
			require.NotEmpty(t, a.Cause)
			require.Zero(t, w.signed.Load())
			_, err = w.ra.Execute(t.Context(), manager1, a.ID)
			require.ErrorIs(t, err, ca.ErrConflict)
			w.records(t)
		})
	}
}

// Who writes into the database from outside is not obeyed.
func TestChangedRows(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.changed = true
	a := w.agreed(t, personnel1, enrol(1), personnel2)
	exec := func(query string, args ...any) error {
		return w.store.Write(t.Context(), func(tx store.Tx) error {
			_, err := tx.Exec(t.Context(), query, args...)
			return err
		})
	}
	bytes := []byte(strings.Replace(string(a.Bytes), "A party", "Another", 1))
	require.ErrorContains(t, exec(`UPDATE ra_approval SET bytes = $1 WHERE id = $2`, bytes, a.ID), "never changed")
	require.ErrorContains(t, exec(`UPDATE ra_approval SET needed = 0`), "never changed")
	require.ErrorContains(t, exec(`UPDATE ra_vote SET accept = NOT accept`), "never changed")
	require.ErrorContains(t, exec(`DELETE FROM ra_vote`), "never deleted")

	storetest.Tamper(t, w.store, `UPDATE ra_approval SET bytes = $1 WHERE id = $2`, bytes, a.ID)
	_, err := w.ra.Execute(t.Context(), personnel1, a.ID)
	require.ErrorContains(t, err, "its bytes do not have its hash")
	hash := sha256.Sum256(bytes)
	storetest.Tamper(t, w.store, `UPDATE ra_approval SET hash = $1 WHERE id = $2`, hash[:], a.ID)
	_, err = w.ra.Execute(t.Context(), personnel1, a.ID)
	require.ErrorContains(t, err, "0 of 1 votes count", "the votes are on other bytes")
	_, err = w.ra.Party(t.Context(), "party-1")
	require.ErrorIs(t, err, ca.ErrNotFound)
	require.ErrorContains(t, exec(`UPDATE ra_approval SET state = 'approved' WHERE id = $1`, a.ID), "a settled approval is never changed")
}

// In no order of votes, executions, retractions and waiting is anything executed with
// a vote missing, after a rejection, after its end, or twice.
func TestAnySequenceOfVotes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	second := appoint("personnel-of-manager-2", "", ra.RAPersonnel)
	second.Person = person(manager2)
	w.done(t, manager1, second, manager1OtherThan(t, w))
	n := 0
	rapid.Check(t, func(t *rapid.T) {
		n++
		ctx := context.Background()
		var deed ra.Deed = enrol(10000 + n)
		proposer, needed := personnel1, 1
		if rapid.Bool().Draw(t, "two votes") {
			deed, proposer, needed = appoint(ra.OfficerID(fmt.Sprintf("aro-%d", n)), "supplier-a", ra.ARO), sroA, 2
		}
		a, err := w.ra.Propose(ctx, proposer, deed)
		require.NoError(t, err)
		began := w.clock()

		// The model: who has agreed, and whether it is over.
		agreed, voted := 0, map[ra.PersonID]bool{}
		state := ra.Pending
		voters := []ra.OfficerID{manager1, manager2, "personnel-of-manager-2", personnel1, personnel2, personnel3, aroA, sroA, "auditor-1", "nobody"}
		persons := map[ra.OfficerID]ra.PersonID{"personnel-of-manager-2": person(manager2)}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			if (state == ra.Pending || state == ra.Approved) && w.clock().Sub(began) >= 168*time.Hour {
				state = ra.Expired
			}
			by := rapid.SampledFrom(voters).Draw(t, "by")
			who := persons[by]
			if who == "" {
				who = person(by)
			}
			entitled := who != person(proposer) && !voted[who] && strings.HasPrefix(string(by), "manager") || strings.HasPrefix(string(by), "personnel") && who != person(proposer) && !voted[who]
			switch rapid.SampledFrom([]string{"agree", "agree", "agree", "reject", "execute", "execute", "wait", "retract", "misread"}).Draw(t, "step") {
			case "agree":
				_, err := w.ra.Vote(ctx, by, a.ID, a.Hash, true, "")
				if ok := entitled && state == ra.Pending; ok {
					require.NoError(t, err)
					voted[who] = true
					if agreed++; agreed == needed {
						state = ra.Approved
					}
				} else {
					require.Error(t, err)
				}
			case "reject":
				_, err := w.ra.Vote(ctx, by, a.ID, a.Hash, false, "no")
				if ok := entitled && (state == ra.Pending || state == ra.Approved); ok {
					require.NoError(t, err)
					state = ra.Rejected
				} else {
					require.Error(t, err)
				}
			case "misread":
				_, err := w.ra.Vote(ctx, by, a.ID, [32]byte{1}, true, "")
				require.Error(t, err)
			case "execute":
				_, err := w.ra.Execute(ctx, manager1, a.ID)
				if state == ra.Approved {
					require.NoError(t, err)
					require.GreaterOrEqual(t, agreed, needed)
					state = ra.Executed
				} else {
					require.ErrorIs(t, err, ca.ErrConflict)
				}
			case "retract":
				_, err := w.ra.Retract(ctx, proposer, a.ID, "no more")
				if state == ra.Pending || state == ra.Approved {
					require.NoError(t, err)
					state = ra.Retracted
				} else {
					require.Error(t, err)
				}
			case "wait":
				w.pass(time.Duration(rapid.IntRange(1, 100).Draw(t, "hours")) * time.Hour)
			}
		}
		if (state == ra.Pending || state == ra.Approved) && w.clock().Sub(began) >= 168*time.Hour {
			state = ra.Expired
		}
		got, err := w.ra.Approval(ctx, a.ID)
		require.NoError(t, err)
		require.Equal(t, state, got.StateAt(w.clock()))
		switch d := deed.(type) {
		case ra.EnrolParty:
			_, err = w.ra.Party(ctx, d.Party)
		case ra.Appoint:
			_, err = w.ra.Officer(ctx, d.Officer)
		}
		require.Equal(t, state == ra.Executed, err == nil, "done exactly if executed")
	})
	w.records(t)
}

// A thousand at once with one vote missing execute nothing; with it, once.
func TestRaces(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	q := w.asked(t, 1)
	a, err := w.ra.Propose(t.Context(), personnel1, ra.IssueCertificate{Request: q.ID})
	require.NoError(t, err)
	registries := []*ra.Registry{w.ra, w.open(t, w.hierarchy.Environment, nil)}
	registries[1].Connect(ra.Hands{Issuer: w.ca, Revoker: revoker{w.register}})

	const many = 1000
	var done, taken atomic.Int64
	together := func(each func(n int) error, counts *atomic.Int64) {
		var group sync.WaitGroup
		start := make(chan struct{})
		for n := range many {
			group.Go(func() {
				<-start
				if each(n) == nil {
					counts.Add(1)
				}
			})
		}
		close(start)
		group.Wait()
	}
	// Everybody whose vote does not count, and executions from two nodes.
	nobodies := []ra.OfficerID{personnel1, aroA, sroA, systemA, "auditor-1", "operator-1", "custodian-1", "nobody"}
	together(func(n int) error {
		if n%3 == 0 {
			_, err := registries[n%2].Execute(t.Context(), manager1, a.ID)
			return err
		}
		_, err := registries[n%2].Vote(t.Context(), nobodies[n%len(nobodies)], a.ID, a.Hash, true, "")
		return err
	}, &done)
	require.Zero(t, done.Load())
	require.Zero(t, w.signed.Load())
	got, err := w.ra.Approval(t.Context(), a.ID)
	require.NoError(t, err)
	require.Equal(t, ra.Pending, got.State)
	require.Empty(t, got.Votes)

	// One person a thousand times has one vote; executions run beside it.
	together(func(n int) error {
		if n%2 == 0 {
			_, err := registries[n%4/2].Vote(t.Context(), personnel2, a.ID, a.Hash, true, "")
			if err == nil {
				taken.Add(1)
			}
			return errInjected
		}
		_, err := registries[n%4/2].Execute(t.Context(), manager1, a.ID)
		return err
	}, &done)
	require.EqualValues(t, 1, taken.Load())
	if done.Load() == 0 {
		_, err := w.ra.Execute(t.Context(), manager1, a.ID)
		require.NoError(t, err)
		done.Add(1)
	}
	require.EqualValues(t, 1, done.Load())
	require.EqualValues(t, 1, w.signed.Load(), "signed once")

	// Agreement and rejection at once: never both.
	for n := range 20 {
		a := w.agreed(t, personnel1, enrol(n), personnel2)
		var executed, rejected error
		var group sync.WaitGroup
		group.Go(func() { _, executed = registries[0].Execute(t.Context(), personnel1, a.ID) })
		group.Go(func() { _, rejected = registries[1].Vote(t.Context(), manager1, a.ID, a.Hash, false, "stop") })
		group.Wait()
		require.NotEqual(t, executed == nil, rejected == nil)
		_, err := w.ra.Party(t.Context(), enrol(n).Party)
		require.Equal(t, executed == nil, err == nil)
	}
	w.records(t)
}

// The same between two nodes, each with a store of its own.
func TestRacesBetweenNodes(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	nodes := []*ra.Registry{w.ra, w.node(t), w.node(t)}
	ctx := t.Context()
	at := func(does ...func()) {
		var group sync.WaitGroup
		start := make(chan struct{})
		for _, do := range does {
			group.Go(func() { <-start; do() })
		}
		close(start)
		group.Wait()
	}
	for n := range 10 {
		// One officer, and one person in two offices, at once from three nodes: one vote.
		a, err := w.ra.Propose(ctx, aroA, appoint(ra.OfficerID(fmt.Sprint("system-", n)), "supplier-a", ra.System))
		require.NoError(t, err)
		var taken atomic.Int64
		vote := func(node *ra.Registry, by ra.OfficerID) func() {
			return func() {
				if _, err := node.Vote(ctx, by, a.ID, a.Hash, true, ""); err == nil {
					taken.Add(1)
				}
			}
		}
		at(vote(nodes[0], personnel1), vote(nodes[1], personnel1), vote(nodes[2], personnel1), vote(nodes[1], aroA), vote(nodes[2], sroA))
		require.EqualValues(t, 1, taken.Load())
		got, err := w.ra.Approval(ctx, a.ID)
		require.NoError(t, err)
		require.Len(t, got.Votes, 1)

		// Agreement and rejection at once, with one vote missing: the rejection stands.
		b, err := w.ra.Propose(ctx, personnel1, enrol(100+n))
		require.NoError(t, err)
		var rejected error
		at(func() { _, _ = nodes[1].Vote(ctx, personnel2, b.ID, b.Hash, true, "") },
			func() { _, rejected = nodes[2].Vote(ctx, personnel3, b.ID, b.Hash, false, "stop") },
			func() { _, _ = nodes[0].Execute(ctx, personnel1, b.ID) })
		got, err = w.ra.Approval(ctx, b.ID)
		require.NoError(t, err)
		_, err = w.ra.Party(ctx, enrol(100+n).Party)
		if rejected == nil {
			require.Equal(t, ra.Rejected, got.State)
			require.ErrorIs(t, err, ca.ErrNotFound)
		} else {
			require.Equal(t, ra.Executed, got.State, "%v", rejected)
			require.NoError(t, err)
		}

		// It expires while the last vote is on its way: what is approved in time is still
		// not executed afterwards.
		c, err := w.ra.Propose(ctx, personnel1, enrol(200+n))
		require.NoError(t, err)
		var agreed error
		at(func() { _, agreed = nodes[1].Vote(ctx, personnel2, c.ID, c.Hash, true, "") },
			func() { w.pass(c.ExpiresAt.Sub(w.clock())) },
			func() { _, _ = nodes[2].Vote(ctx, personnel3, c.ID, c.Hash, true, "") })
		_, err = nodes[2].Execute(ctx, personnel1, c.ID)
		require.ErrorIs(t, err, ca.ErrConflict)
		got, err = w.ra.Approval(ctx, c.ID)
		require.NoError(t, err)
		require.Equal(t, ra.Expired, got.State, "the vote: %v", agreed)
		_, err = w.ra.Party(ctx, enrol(200+n).Party)
		require.ErrorIs(t, err, ca.ErrNotFound)
	}
	w.records(t)
}

// An act and its audit record are one: where the commit fails, neither is there.
func TestActsFail(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	a, err := w.ra.Propose(t.Context(), personnel1, enrol(1))
	require.NoError(t, err)
	before := w.records(t)
	fail := func() error { return errInjected }

	w.faults.FailBeforeCommit(0, fail)
	_, err = w.ra.Vote(t.Context(), personnel2, a.ID, a.Hash, true, "")
	require.ErrorIs(t, err, errInjected)
	require.Equal(t, before, w.records(t))
	got, err := w.ra.Approval(t.Context(), a.ID)
	require.NoError(t, err)
	require.Empty(t, got.Votes)

	w.faults.FailAfterCommit(0, fail)
	_, err = w.ra.Vote(t.Context(), personnel2, a.ID, a.Hash, true, "")
	require.ErrorIs(t, err, store.ErrUncertain)
	require.Equal(t, before+1, w.records(t))
	_, err = w.ra.Vote(t.Context(), personnel2, a.ID, a.Hash, true, "")
	refused(t, err, "twice")

	w.faults.FailAfterCommit(0, fail)
	_, err = w.ra.Execute(t.Context(), personnel1, a.ID)
	require.ErrorIs(t, err, store.ErrUncertain)
	_, err = w.ra.Execute(t.Context(), personnel1, a.ID)
	require.ErrorIs(t, err, ca.ErrConflict, "it was done although we were told that it failed")
	_, err = w.ra.Party(t.Context(), "party-1")
	require.NoError(t, err)
	require.Equal(t, before+3, w.records(t), "vote, change, execution")
	require.False(t, errors.Is(err, ca.ErrUncertain))
}
