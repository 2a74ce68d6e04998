package ra_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/ra"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// deedOf makes a deed of each act that is valid when an officer of a role proposes
// it, n telling one from the other.
var deedOf = map[ra.Act]func(t *testing.T, w *world, n int) ra.Deed{
	ra.ActEnrolParty: func(_ *testing.T, _ *world, n int) ra.Deed {
		return ra.EnrolParty{Party: ra.PartyID(fmt.Sprintf("new-%d", n)), Name: "New", Category: ra.OtherParty, Application: "form"}
	},
	ra.ActChangeParty: func(_ *testing.T, _ *world, _ int) ra.Deed {
		return ra.ChangeParty{Party: "supplier-a", Name: "Other name", Category: ra.SmallSupplier, Application: "form"}
	},
	ra.ActWithdrawParty: func(_ *testing.T, _ *world, _ int) ra.Deed {
		return ra.WithdrawParty{Party: "supplier-a", Why: "expelled"}
	},
	ra.ActAssignIdentifiers: func(_ *testing.T, _ *world, n int) ra.Deed {
		return ra.AssignIdentifiers{Party: "supplier-a", Range: ra.One(entity(1000 + n)), Application: "form"}
	},
	ra.ActReleaseIdentifiers: func(_ *testing.T, _ *world, _ int) ra.Deed {
		return ra.ReleaseIdentifiers{Party: "supplier-a", Range: ra.Range{First: entity(0), Last: entity(99)}, Why: "sold"}
	},
	ra.ActAppointSRO: func(_ *testing.T, _ *world, n int) ra.Deed {
		return appoint(ra.OfficerID(fmt.Sprintf("new-sro-%d", n)), "supplier-a", ra.SRO)
	},
	ra.ActAppointARO: func(_ *testing.T, _ *world, n int) ra.Deed {
		return appoint(ra.OfficerID(fmt.Sprintf("new-aro-%d", n)), "supplier-a", ra.ARO)
	},
	ra.ActAppointSystem: func(_ *testing.T, _ *world, n int) ra.Deed {
		return appoint(ra.OfficerID(fmt.Sprintf("new-system-%d", n)), "supplier-a", ra.System)
	},
	ra.ActAppointRAOfficer: func(_ *testing.T, _ *world, n int) ra.Deed {
		return appoint(ra.OfficerID(fmt.Sprintf("new-ra-%d", n)), "", ra.RAManager)
	},
	ra.ActWithdrawOfficer: func(_ *testing.T, _ *world, _ int) ra.Deed {
		return ra.WithdrawOfficer{Officer: systemA, Party: "supplier-a", Why: "gone"}
	},
	ra.ActWithdrawRAOfficer: func(_ *testing.T, _ *world, _ int) ra.Deed {
		return ra.WithdrawOfficer{Officer: personnel3, Why: "gone"}
	},
	ra.ActAddCredential: func(t *testing.T, _ *world, n int) ra.Deed {
		return ra.AddCredential{Officer: aroA, Certificate: certificate(t, fmt.Sprintf("aro %d", n))}
	},
	ra.ActWithdrawCredential: func(t *testing.T, w *world, _ int) ra.Deed {
		has, err := w.ra.Credentials(t.Context(), systemA)
		require.NoError(t, err)
		return ra.WithdrawCredential{Serial: has[0].Serial, Why: "lost"}
	},
	ra.ActIssueCertificate: func(t *testing.T, w *world, n int) ra.Deed {
		return ra.IssueCertificate{Request: w.asked(t, n).ID}
	},
	ra.ActDeferRevocation: func(t *testing.T, w *world, n int) ra.Deed {
		return ra.DeferRevocation{Request: w.authenticated(t, n).ID, Until: "2027-01-01T00:00:00Z", Why: "supplier of last resort", Decision: "PMA 7"}
	},
	ra.ActResumeRevocation: func(t *testing.T, w *world, n int) ra.Deed {
		q := w.authenticated(t, n)
		w.done(t, manager1, ra.DeferRevocation{Request: q.ID, Until: "2027-01-01T00:00:00Z", Why: "supplier of last resort", Decision: "PMA 7"}, manager2)
		return ra.ResumeRevocation{Request: q.ID, Decision: "PMA 8"}
	},
	ra.ActWithdrawRevocation: func(t *testing.T, w *world, n int) ra.Deed {
		return ra.WithdrawRevocation{Request: w.authenticated(t, n).ID, Why: "the tape was found"}
	},
	ra.ActExecuteRevocation: func(t *testing.T, w *world, n int) ra.Deed {
		return ra.ExecuteRevocation{Request: w.authenticated(t, n).ID}
	},
	ra.ActExecuteEmergency: func(t *testing.T, w *world, n int) ra.Deed {
		q, err := w.ra.AskRevocation(t.Context(), aroA, []policy.Serial{w.issued(t, n)}, policy.ReasonKeyCompromise, "a tape is missing")
		require.NoError(t, err)
		return ra.ExecuteRevocation{Request: q.ID, Emergency: true, Why: "the key is being used"}
	},
	ra.ActReleaseBatch: func(_ *testing.T, _ *world, n int) ra.Deed {
		return ra.ReleaseBatch{Batch: fmt.Sprintf("batch-%d", n), Party: "supplier-a", Interface: "portal", Digest: sum("upload"), Requests: 50000}
	},
}

// Every cell of the table is what the register does: no is refused, yes is approved
// without anybody else, two is pending for as many votes as the table says.
func TestEveryCell(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.done(t, personnel1, ra.AddCredential{Officer: systemA, Certificate: certificate(t, "system")}, personnel2)
	table := w.ra.Table()
	cells, n := 0, 0
	for _, act := range ra.Acts() {
		rule := table.Acts[act]
		for _, role := range ra.Roles() {
			cells++
			n++
			by, cell := holders[role], rule.May[role]
			t.Run(fmt.Sprintf("%s/%s/%s", act, role, cell), func(t *testing.T) {
				if deedOf[act] == nil {
					require.Contains(t, ra.Direct(), act)
					err := w.ra.May(t.Context(), by, act, "supplier-a")
					if cell == ra.No {
						refused(t, err, "rights")
					} else {
						require.NoError(t, err)
					}
					return
				}
				a, err := w.ra.Propose(t.Context(), by, deedOf[act](t, w, n%100))
				if cell == ra.No {
					refused(t, err, "rights")
					return
				}
				require.NoError(t, err)
				defer func() {
					_, err := w.ra.Retract(t.Context(), by, a.ID, "only asked")
					require.NoError(t, err)
				}()
				if cell == ra.Yes {
					require.Equal(t, ra.Approved, a.State)
					return
				}
				require.Equal(t, ra.Pending, a.State)
				require.Equal(t, rule.Votes.Needed[table.Roles[role].Side], a.Missing())
				require.Positive(t, a.Missing())
			})
		}
	}
	require.Equal(t, len(table.Acts)*len(table.Roles), cells)
}

// Every role that has a vote on an act can give it, and every other is refused.
func TestEveryVote(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.done(t, manager1, appoint("manager-3", "", ra.RAManager), manager2)
	voters := map[ra.Role]ra.OfficerID{ra.RAManager: "manager-3", ra.RAPersonnel: personnel2}
	table := w.ra.Table()
	n := 0
	for act, deed := range deedOf {
		rule := table.Acts[act]
		if rule.Votes == nil {
			continue
		}
		for _, role := range ra.Roles() {
			n++
			voter := holders[role]
			if id, ok := voters[role]; ok {
				voter = id
			}
			t.Run(fmt.Sprintf("%s/%s", act, role), func(t *testing.T) {
				proposer := manager1
				for _, r := range ra.Roles() {
					if rule.May[r] == ra.Two {
						proposer = holders[r]
					}
				}
				a, err := w.ra.Propose(t.Context(), proposer, deed(t, w, n%100))
				require.NoError(t, err)
				_, err = w.ra.Vote(t.Context(), voter, a.ID, a.Hash, false, "only asked")
				if table.MayVote(role, act) {
					require.NoError(t, err)
					return
				}
				refused(t, err, "rights")
				_, err = w.ra.Retract(t.Context(), proposer, a.ID, "only asked")
				require.NoError(t, err)
			})
		}
	}
}

// The cells that would hurt most if somebody changed them by mistake, by hand: who
// may act alone, who may propose, how many of whom must agree.
func TestDangerousCells(t *testing.T) {
	t.Parallel()
	table := ra.DefaultTable()
	for act, want := range map[ra.Act]string{
		ra.ActEnrolParty:         "two ra-manager ra-personnel; ra 1 of ra-manager ra-personnel",
		ra.ActAssignIdentifiers:  "two ra-manager ra-personnel; ra 1 of ra-manager ra-personnel",
		ra.ActAppointSRO:         "two ra-manager ra-personnel; ra 1 of ra-manager ra-personnel",
		ra.ActAppointARO:         "two sro; party 2 of ra-manager ra-personnel",
		ra.ActAppointSystem:      "two aro; party 1 of ra-manager ra-personnel",
		ra.ActAppointRAOfficer:   "two ra-manager; ra 1 of ra-manager",
		ra.ActWithdrawRAOfficer:  "two ra-manager; ra 1 of ra-manager ra-personnel",
		ra.ActAddCredential:      "two ra-manager ra-personnel; ra 1 of ra-manager ra-personnel",
		ra.ActIssueCertificate:   "two ra-manager ra-personnel; ra 1 of ra-manager ra-personnel",
		ra.ActExecuteRevocation:  "two ra-manager ra-personnel; ra 1 of ra-manager ra-personnel",
		ra.ActExecuteEmergency:   "two ra-manager; ra 1 of ra-manager ra-personnel",
		ra.ActDeferRevocation:    "two ra-manager; ra 1 of ra-manager ra-personnel",
		ra.ActResumeRevocation:   "two ra-manager; ra 1 of ra-manager ra-personnel",
		ra.ActWithdrawRevocation: "two sro aro ra-manager ra-personnel; party 1 ra 1 of ra-manager ra-personnel",
		ra.ActReleaseBatch:       "two aro system; party 1 of ra-manager ra-personnel",
		ra.ActWithdrawOfficer:    "yes sro ra-manager ra-personnel",
		ra.ActWithdrawCredential: "yes sro ra-manager ra-personnel",
		ra.ActAskCertificate:     "yes aro",
		ra.ActGiveShare:          "yes custodian",
		ra.ActReadAuditLog:       "yes ra-manager auditor",
		ra.ActBlockKey:           "yes ra-manager ra-personnel",
	} {
		var words []string
		for _, cell := range []ra.Cell{ra.Yes, ra.Two} {
			var roles []string
			for _, role := range ra.Roles() {
				if table.May(role, act) == cell {
					roles = append(roles, string(role))
				}
			}
			if roles != nil {
				words = append(words, string(cell)+" "+strings.Join(roles, " "))
			}
		}
		got := strings.Join(words, " ")
		if v := table.Acts[act].Votes; v != nil {
			got += ";"
			for _, side := range []ra.Side{ra.SideParty, ra.SideRA} {
				if v.Needed[side] > 0 {
					got += fmt.Sprintf(" %s %d", side, v.Needed[side])
				}
			}
			got += " of"
			for _, role := range v.By {
				got += " " + string(role)
			}
		}
		require.Equal(t, want, got, act)
	}
	for _, act := range ra.Acts() {
		require.NotEqual(t, ra.Two, table.May(ra.Auditor, act), "an auditor changes nothing")
		require.False(t, table.MayVote(ra.Auditor, act) || table.MayVote(ra.Operator, act) || table.MayVote(ra.Custodian, act))
		for _, role := range []ra.Role{ra.SRO, ra.ARO, ra.System} {
			require.False(t, table.MayVote(role, act), "a party decides nothing on its own request")
		}
	}
}

func TestTableRefused(t *testing.T) {
	t.Parallel()
	good := string(ra.Embedded())
	_, err := ra.ParseTable("table.json", []byte(good))
	require.NoError(t, err)
	for _, tt := range []struct{ says, old, new, want string }{
		{"a key nobody knows", `"version": 2`, `"version": 2, "verson": 2`, "verson"},
		{"a version of nothing", `"version": 2`, `"version": 0`, "version: want 1 or more"},
		{"a cell that is none", `"ra-manager": "two"`, `"ra-manager": "perhaps"`, `"perhaps" is none of no, yes, two`},
		{"a cell that is missing", `"sro": "no", "aro": "no", "system": "no", "ra-manager": "two"`, `"aro": "no", "system": "no", "ra-manager": "two"`, `no cell for "sro"`},
		{"two persons and no votes", `"withdraw-officer": {
      "says": "withdraw an officer or a system of a party", "mark": "K",
      "may":   {"sro": "yes"`, `"withdraw-officer": {
      "says": "withdraw an officer or a system of a party", "mark": "K",
      "may":   {"sro": "two"`, "votes does not say how many must agree"},
		{"two persons for what one does at once", `"may":   {"sro": "no", "aro": "yes"`, `"may":   {"sro": "no", "aro": "two"`, "this act is done at once by one person"},
		{"no vote needed", `"needed": {"ra": 1}`, `"needed": {"ra": 0}`, "votes does not say how many must agree"},
		{"a party that votes", `"by": ["ra-manager"]`, `"by": ["aro"]`, `"aro" does not vote`},
		{"a life of no length", `"valid": "4h"`, `"valid": "0s"`, "want by and valid"},
		{"an act nobody knows", `"give-share"`, `"give-shares"`, `no row for "give-share"`},
		{"a mark nobody knows", `"mark": "K"`, `"mark": "X"`, "want S, T, I or K"},
		{"a state nobody knows", `"notInstalled": "any"`, `"notInstaled": "any"`, "notInstalled: want any, responsible or no"},
		{"a setting nobody knows", `"advisory", "mark"`, `"none", "mark"`, "want advisory or owned"},
		{"something behind", `"unknown": "no"}
    }
  }
}`, `"unknown": "no"}
    }
  }
}{}`, "something follows"},
	} {
		t.Run(tt.says, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, good, tt.old)
			_, err := ra.ParseTable("table.json", []byte(strings.Replace(good, tt.old, tt.new, 1)))
			require.ErrorContains(t, err, tt.want)
			require.ErrorContains(t, err, "reading table.json")
		})
	}
}

// A party's officer does for his own party only what he may do.
func TestScope(t *testing.T) {
	t.Parallel()
	w := newWorld(t)
	w.party(t, "supplier-b", policy.RoleSupplier)
	w.done(t, personnel1, appoint("sro-b", "supplier-b", ra.SRO), personnel2)
	w.done(t, "sro-b", appoint("aro-b", "supplier-b", ra.ARO), personnel1, personnel2)
	for says, try := range map[string]func() error{
		"nominate": func() error {
			_, err := w.ra.Propose(t.Context(), sroA, appoint("spy", "supplier-b", ra.ARO))
			return err
		},
		"withdraw an officer": func() error {
			_, err := w.ra.Do(t.Context(), sroA, ra.WithdrawOfficer{Officer: "aro-b", Party: "supplier-b", Why: "gone"})
			return err
		},
		"ask for a certificate": func() error {
			_, err := w.ra.AskCertificate(t.Context(), "aro-b", "supplier-a", csr(t, 1))
			return err
		},
		"release a batch": func() error {
			d := deedOf[ra.ActReleaseBatch](t, w, 1)
			_, err := w.ra.Propose(t.Context(), "aro-b", d)
			return err
		},
		"submit": func() error { return w.ra.May(t.Context(), "aro-b", ra.ActSubmitDeviceRequests, "supplier-a") },
		"revoke": func() error {
			_, err := w.ra.AskRevocation(t.Context(), "aro-b", []policy.Serial{w.issued(t, 3)}, policy.ReasonKeyCompromise, "a rival")
			return err
		},
		"close a request": func() error { return w.ra.CloseRequest(t.Context(), "aro-b", w.asked(t, 4).ID, "a rival") },
	} {
		t.Run(says, func(t *testing.T) { refused(t, try(), "scope") })
	}
	_, err := w.ra.AskRevocation(t.Context(), personnel1, []policy.Serial{policytest.NewSerial(t)}, policy.ReasonKeyCompromise, "unknown")
	refused(t, err, "serials")
	require.False(t, errors.Is(err, ca.ErrNotFound))
}
