package console

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"smki.example/ca"
	"smki.example/ca/ra"
	"smki.example/policy"
)

// why is the field for an explanation.
func why(name, label, hint string) field {
	return field{Name: name, Label: label, Kind: "area", Most: 2000, Hint: hint}
}

func hidden(name string) field { return field{Name: name, Kind: "hidden"} }

// requestForms are the acts on requests for Organisation Certificates.
func requestForms() map[ra.Act]spec {
	again := on("request", func(c *Console) page { return c.request })
	return map[ra.Act]spec{
		ra.ActAskCertificate: {title: "Ask for an Organisation Certificate", button: "Send the request",
			fields: func(*Console) []field {
				return []field{{Name: "csr", Label: "Certificate signing request", Kind: "area", Most: 8000,
					Hint: "PKCS #10, as PEM or base64. It names your EUI-64, Remote Party Role and key usage, and is signed with the key that it is for."}}
			},
			direct: func(ctx context.Context, c *Console, v *visit, in *input) (string, error) {
				der, err := policy.DecodePEMOrBase64([]byte(in.Get("csr")), "the request")
				if err != nil {
					return "", &mistake{"csr", err}
				}
				q, err := c.registry.AskCertificate(ctx, v.by(), v.officer.Party, der)
				if err != nil {
					var violation *policy.Violation
					if errors.As(err, &violation) {
						return "", &mistake{"csr", err}
					}
					return "", err
				}
				return at(fmt.Sprintf("/ra/requests/%d", q.ID), "asked"), nil
			},
			again: func(c *Console, _ *visit, _ *input) page { return c.requests }},
		ra.ActRecordCheck: {title: "Record an identity check", button: "Record the check",
			fields: func(c *Console) []field {
				kinds := []choice{{"", "Choose the check"}}
				for _, check := range c.table.Checks {
					kinds = append(kinds, choice{check.Kind, check.Kind + ": " + check.Says})
				}
				return []field{hidden("request"),
					{Name: "kind", Label: "Which check", Kind: "choice", Choices: kinds},
					{Name: "passed", Label: "Outcome", Kind: "choice", Choices: []choice{{"", "Choose the outcome"}, {"yes", "passed"}, {"no", "did not pass"}}},
					why("evidence", "Evidence", "What was seen, and where it is kept. A later check of the same kind counts instead of an earlier one."),
				}
			},
			direct: func(ctx context.Context, c *Console, v *visit, in *input) (string, error) {
				id := in.number("request")
				if in.err != nil {
					return "", in.err
				}
				if passed := in.Get("passed"); passed != "yes" && passed != "no" {
					return "", mistaken("passed", "the outcome is missing")
				}
				if in.Get("kind") == "" {
					return "", mistaken("kind", "the kind of check is missing")
				}
				err := c.registry.RecordCheck(ctx, v.by(), id, in.Get("kind"), in.Get("passed") == "yes", in.text("evidence"))
				return at(fmt.Sprintf("/ra/requests/%d", id), "recorded"), err
			}, again: again},
		ra.ActCloseRequest: {title: "End the request without a certificate", button: "End the request", grave: true,
			fields: func(*Console) []field {
				return []field{hidden("request"), why("why", "Reason", "It is withdrawn by the party, or refused by the registration authority. An approval on it is void from then on.")}
			},
			direct: func(ctx context.Context, c *Console, v *visit, in *input) (string, error) {
				id := in.number("request")
				if in.err != nil {
					return "", in.err
				}
				return at(fmt.Sprintf("/ra/requests/%d", id), "done"), c.registry.CloseRequest(ctx, v.by(), id, in.text("why"))
			}, again: again},
		ra.ActIssueCertificate: {title: "Issue the certificate", button: "Issue the certificate", grave: true,
			fields: func(*Console) []field { return []field{hidden("request")} },
			deed:   func(in *input) ra.Deed { return ra.IssueCertificate{Request: in.number("request")} },
			again:  again},
	}
}

// asked is a request as a list shows it, with what its PKCS #10 says.
type asked struct {
	*ra.Request
	CN, Role, Entity, Usage, Unreadable string
	Missing                             []string
}

func (c *Console) asked(q *ra.Request) asked {
	a := asked{Request: q, Missing: c.registry.Missing(q)}
	req, err := policy.ParseRequest(q.DER)
	if err != nil {
		a.Unreadable = err.Error()
		return a
	}
	a.CN, a.Entity, a.Usage = req.Subject.CN, req.EntityID().String(), req.Usage.String()
	if role, ok := req.Role(); ok {
		a.Role = role.String()
	}
	return a
}

// A tab is one state of which a list shows what is in it.
type tab struct {
	Name string
	Here bool
}

func tabs[S ~string](chosen S, all ...S) []tab {
	var out []tab
	for _, s := range all {
		out = append(out, tab{string(s), s == chosen})
	}
	return out
}

// requests are the requests for Organisation Certificates in one state.
func (c *Console) requests(v *visit) (*screen, error) {
	state := ra.RequestState(v.URL.Query().Get("state"))
	if state == "" {
		state = ra.Asked
	}
	all, next, err := c.registry.Requests(v.Context(), state, c.own(v), v.page())
	if err != nil {
		return nil, err
	}
	body := struct {
		Tabs     []tab
		Requests []asked
		Turn     turning
		Forms    []*form
	}{Turn: v.turn(next), Tabs: tabs(state, ra.Asked, ra.Issued, ra.Closed), Forms: c.offers(v, nil, ra.ActAskCertificate)}
	for _, q := range all {
		if c.sees(v, q.Party) == nil {
			body.Requests = append(body.Requests, c.asked(q))
		}
	}
	return &screen{"Certificate requests", "requests.html", body}, nil
}

// checked is a check that the table asks for; Open while it has not passed.
type checked struct {
	ra.CheckRule
	Open bool
}

// request is one request.
func (c *Console) request(v *visit) (*screen, error) {
	id, err := parseID(v.PathValue("id"))
	if err != nil {
		return nil, err
	}
	q, err := c.registry.Request(v.Context(), id)
	if err == nil {
		err = c.sees(v, q.Party)
	}
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(q.DER)
	body := struct {
		asked
		Sum, Hex  string
		Wanted    []checked
		Decisions []past
		Forms     []*form
		Serial    string
	}{asked: c.asked(q), Sum: hex.EncodeToString(sum[:]), Hex: hexdump(q.DER)}
	missing := make(map[string]bool)
	for _, kind := range body.Missing {
		missing[kind] = true
	}
	for _, check := range c.table.Checks {
		body.Wanted = append(body.Wanted, checked{check, missing[check.Kind]})
	}
	if body.Decisions, err = c.decisions(v, fmt.Sprintf("request/%d", q.ID)); err != nil {
		return nil, err
	}
	switch q.State {
	case ra.Issued:
		body.Serial = q.Serial.String()
	case ra.Asked:
		given := map[string]string{"request": fmt.Sprint(q.ID)}
		if len(body.Missing) > 0 {
			given["kind"] = body.Missing[0]
		} else {
			body.Forms = open(c.offers(v, given, ra.ActIssueCertificate))
		}
		if q.Asker != v.officer.Person {
			body.Forms = append(body.Forms, c.offers(v, given, ra.ActRecordCheck)...)
		}
		body.Forms = append(body.Forms, c.offers(v, given, ra.ActCloseRequest)...)
	}
	return &screen{fmt.Sprintf("Certificate request %d", q.ID), "request.html", body}, nil
}

// open shows forms unfolded.
func open(forms []*form) []*form {
	for _, f := range forms {
		f.Open = true
	}
	return forms
}

// certificate describes a certificate of the ledger, as far as it can be looked up.
func (c *Console) certificate(v *visit, serial policy.Serial) (*ca.Certificate, error) {
	if c.certificates == nil {
		return nil, nil
	}
	cert, err := c.certificates.BySerial(v.Context(), serial)
	if errors.Is(err, ca.ErrNotFound) {
		return nil, nil
	}
	return cert, err
}
