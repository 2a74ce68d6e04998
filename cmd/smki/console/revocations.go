package console

import (
	"context"
	"errors"
	"fmt"
	"time"

	"smki.example/ca"
	"smki.example/ca/ra"
	"smki.example/policy"
)

// revocationForms are the acts on revocation requests.
func revocationForms() map[ra.Act]spec {
	again := on("revocation", func(c *Console) page { return c.revocation })
	decision := field{Name: "decision", Label: "Reference of the SMKI PMA's decision", Kind: "text", Most: 120}
	just := func(more ...field) func(*Console) []field {
		return func(*Console) []field { return append([]field{hidden("revocation")}, more...) }
	}
	return map[ra.Act]spec{
		ra.ActAskRevocation: {title: "Ask for certificates to be revoked", button: "Send the request",
			fields: func(*Console) []field {
				return []field{
					{Name: "serials", Label: "Serial numbers", Kind: "area", Most: 40 * ra.MaxSerials, Hint: fmt.Sprintf("In hexadecimal, one a line or set apart by blanks or commas; %d at most. Asking revokes nothing yet.", ra.MaxSerials)},
					{Name: "reason", Label: "Reason code", Kind: "choice", Choices: reasons()},
					why("why", "Explanation", "What happened, for those who decide."),
				}
			},
			direct: func(ctx context.Context, c *Console, v *visit, in *input) (string, error) {
				serials := in.serials("serials")
				reason, err := policy.ParseReason(in.Get("reason"))
				if err != nil {
					in.wrong("reason", errors.New("the reason is missing"))
				}
				if in.err != nil {
					return "", in.err
				}
				q, err := c.registry.AskRevocation(ctx, v.by(), serials, reason, in.text("why"))
				if err != nil {
					return "", err
				}
				return at(fmt.Sprintf("/ra/revocations/%d", q.ID), "asked"), nil
			},
			again: func(c *Console, _ *visit, _ *input) page { return c.revocations }},
		ra.ActAuthenticateRevocation: {title: "Record that the request is genuine", button: "Record it",
			fields: just(why("evidence", "How it was found out", "For example whom you called back, and on which number of the register.")),
			direct: func(ctx context.Context, c *Console, v *visit, in *input) (string, error) {
				id := in.number("revocation")
				if in.err != nil {
					return "", in.err
				}
				return at(fmt.Sprintf("/ra/revocations/%d", id), "recorded"), c.registry.AuthenticateRevocation(ctx, v.by(), id, in.text("evidence"))
			}, again: again},
		ra.ActDeferRevocation: {title: "Delay the revocation, as the SMKI PMA decided", button: "Delay it",
			fields: just(
				field{Name: "until", Label: "Do not revoke before (UTC)", Kind: "text", Most: 20, Hint: "In the form 2026-12-31 12:00."},
				why("why", "The SMKI PMA's reason", ""), decision),
			deed: func(in *input) ra.Deed {
				return ra.DeferRevocation{Request: in.number("revocation"), Until: in.until("until"), Why: in.text("why"), Decision: in.text("decision")}
			}, again: again},
		ra.ActResumeRevocation: {title: "End the delay, as the SMKI PMA decided", button: "End the delay", fields: just(decision),
			deed: func(in *input) ra.Deed {
				return ra.ResumeRevocation{Request: in.number("revocation"), Decision: in.text("decision")}
			}, again: again},
		ra.ActWithdrawRevocation: {title: "End the request without revoking", button: "End it", grave: true,
			fields: just(why("why", "Reason", "A request that disappears may be the only sign of a compromise.")),
			deed: func(in *input) ra.Deed {
				return ra.WithdrawRevocation{Request: in.number("revocation"), Why: in.text("why")}
			}, again: again},
		ra.ActExecuteRevocation: {title: "Revoke the certificates", button: "Revoke them", grave: true, fields: just(),
			deed:  func(in *input) ra.Deed { return ra.ExecuteRevocation{Request: in.number("revocation")} },
			again: again},
		ra.ActExecuteEmergency: {title: "Revoke in an emergency, before the request is authenticated", button: "Revoke them", grave: true,
			fields: just(why("why", "What the emergency is", "The SMKI PMA must be told afterwards.")),
			deed: func(in *input) ra.Deed {
				return ra.ExecuteRevocation{Request: in.number("revocation"), Emergency: true, Why: in.text("why")}
			}, again: again},
	}
}

// revocations are the revocation requests in one state.
func (c *Console) revocations(v *visit) (*screen, error) {
	state := ra.RevocationState(v.URL.Query().Get("state"))
	if state == "" {
		state = ra.Requested
	}
	all, next, err := c.registry.Revocations(v.Context(), state, c.own(v), v.page())
	if err != nil {
		return nil, err
	}
	body := struct {
		Tabs     []tab
		Requests []*ra.RevocationRequest
		Turn     turning
		Forms    []*form
		Now      time.Time
	}{Turn: v.turn(next), Tabs: tabs(state, ra.Requested, ra.Authenticated, ra.Deferred, ra.Revoked, ra.NotRevoked), Forms: c.offers(v, nil, ra.ActAskRevocation), Now: c.clock()}
	for _, q := range all {
		if c.sees(v, q.Party) == nil {
			body.Requests = append(body.Requests, q)
		}
	}
	return &screen{"Revocation requests", "revocations.html", body}, nil
}

// A subject is a certificate that a revocation is about.
type subject struct {
	Serial  policy.Serial
	Known   bool
	Profile policy.ProfileName
	Role    string
	Entity  string
	Usage   string
	Status  string
	Until   time.Time
}

// statusWords are the letters of the Repository in words.
func statusWords(s ca.Status) string {
	switch s {
	case ca.StatusInUse:
		return "in use"
	case ca.StatusNotInUse:
		return "not in use"
	case ca.StatusRevoked:
		return "revoked"
	case ca.StatusExpired:
		return "expired"
	}
	return "status " + string(s)
}

// revocation is one revocation request.
func (c *Console) revocation(v *visit) (*screen, error) {
	id, err := parseID(v.PathValue("id"))
	if err != nil {
		return nil, err
	}
	q, err := c.registry.Revocation(v.Context(), id)
	if err == nil {
		err = c.sees(v, q.Party)
	}
	if err != nil {
		return nil, err
	}
	body := struct {
		*ra.RevocationRequest
		Subjects  []subject
		Steps     []ra.Transition
		Decisions []past
		Forms     []*form
		Waits     bool // the PMA's date has not come
		Now       time.Time
	}{RevocationRequest: q, Now: c.clock(), Waits: q.State == ra.Deferred && c.clock().Before(q.Until)}
	for _, serial := range q.Serials {
		s := subject{Serial: serial}
		cert, err := c.certificate(v, serial)
		if err != nil {
			return nil, err
		}
		if cert != nil {
			s.Known, s.Profile, s.Usage, s.Status, s.Until = true, cert.Profile, cert.Usage.String(), statusWords(cert.StatusAt(c.clock())), cert.NotAfter
			if cert.Role != nil {
				s.Role = cert.Role.String()
			}
			if cert.Entity != nil {
				s.Entity = cert.Entity.String()
			}
		}
		body.Subjects = append(body.Subjects, s)
	}
	if body.Decisions, err = c.decisions(v, q.Subject()); err != nil {
		return nil, err
	}
	given := map[string]string{"revocation": fmt.Sprint(q.ID)}
	for _, t := range ra.Transitions {
		if t.From != q.State || t.Act == ra.ActAuthenticateRevocation && q.Asker == v.officer.Person || t.Act == ra.ActExecuteRevocation && body.Waits {
			continue
		}
		body.Steps = append(body.Steps, t)
		body.Forms = append(body.Forms, c.offers(v, given, t.Act)...)
	}
	return &screen{fmt.Sprintf("Revocation request %d", q.ID), "revocation.html", body}, nil
}
