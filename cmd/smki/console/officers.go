package console

import (
	"encoding/pem"
	"errors"
	"fmt"

	"smki.example/ca/ra"
	"smki.example/policy"
)

// officerForms are the acts that appoint and withdraw officers and what they are
// known by.
func officerForms() map[ra.Act]spec {
	again := on("officer", func(c *Console) page { return c.officerPage })
	onParty := on("party", func(c *Console) page { return c.party })
	person := func(human bool, more ...field) func(*Console) []field {
		return func(*Console) []field {
			all := append(more,
				field{Name: "officer", Label: "Short name for the office", Kind: "text", Most: 63, Hint: "Letters a to z, digits, dots and hyphens. It is never given twice."})
			if !human {
				return append(all,
					field{Name: "person", Label: "Reference of the system", Kind: "text", Most: 63, Hint: "A name of its own, which no person and no other system has."},
					field{Name: "name", Label: "Name", Kind: "text", Most: 120})
			}
			return append(all,
				field{Name: "person", Label: "Reference of the person", Kind: "text", Most: 63, Hint: "Under which the identity was verified; the same in all the person's offices. The two-person rule counts persons."},
				field{Name: "name", Label: "Name", Kind: "text", Most: 120},
				field{Name: "screened", Label: "Date of the security screening", Kind: "date", Hint: "BS 7858 or equivalent (MP127), in the form 2026-01-31."},
				field{Name: "nomination", Label: "Reference of the nomination form", Kind: "text", Most: 120})
		}
	}
	appoint := func(in *input, role ra.Role) ra.Deed {
		return ra.Appoint{Officer: ra.OfficerID(in.text("officer")), Party: ra.PartyID(in.Get("party")), Role: role, Person: ra.PersonID(in.text("person")),
			Name: in.text("name"), Screened: in.text("screened"), Nomination: in.text("nomination")}
	}
	withdraw := func(in *input) ra.Deed {
		return ra.WithdrawOfficer{Officer: ra.OfficerID(in.Get("officer")), Party: ra.PartyID(in.Get("party")), Why: in.text("why")}
	}
	withdrawal := func(*Console) []field {
		return []field{hidden("officer"), hidden("party"), why("why", "Reason", "The officer's certificates count no more; revoking them is for the IKI authority.")}
	}
	return map[ra.Act]spec{
		ra.ActAppointSRO: {title: "Enrol a Senior Responsible Officer", button: "Enrol", fields: person(true, hidden("party")),
			deed: func(in *input) ra.Deed { return appoint(in, ra.SRO) }, again: onParty},
		ra.ActAppointARO: {title: "Nominate an Authorised Responsible Officer", button: "Nominate", fields: person(true, hidden("party")),
			deed: func(in *input) ra.Deed { return appoint(in, ra.ARO) }, again: onParty},
		ra.ActAppointSystem: {title: "Enrol an authorised system", button: "Enrol", fields: person(false, hidden("party")),
			deed: func(in *input) ra.Deed { return appoint(in, ra.System) }, again: onParty},
		ra.ActAppointRAOfficer: {title: "Appoint somebody to the registration authority", button: "Appoint",
			fields: func(c *Console) []field {
				offices := []choice{{"", "Choose the office"}}
				for _, role := range ra.Roles() {
					if rule := c.table.Roles[role]; rule.Side == ra.SideRA {
						offices = append(offices, choice{string(role), string(role) + ": " + rule.Says})
					}
				}
				return person(true, field{Name: "role", Label: "Office", Kind: "choice", Choices: offices})(c)
			},
			deed: func(in *input) ra.Deed {
				if in.Get("role") == "" {
					in.wrong("role", errors.New("the office is missing"))
				}
				return appoint(in, ra.Role(in.Get("role")))
			},
			again: func(c *Console, _ *visit, _ *input) page { return c.officers }},
		ra.ActWithdrawOfficer:   {title: "Withdraw the officer", button: "Withdraw at once", grave: true, fields: withdrawal, deed: withdraw, again: again},
		ra.ActWithdrawRAOfficer: {title: "Withdraw the officer of the registration authority", button: "Withdraw", grave: true, fields: withdrawal, deed: withdraw, again: again},
		ra.ActAddCredential: {title: "Add an IKI certificate", button: "Add it",
			fields: func(*Console) []field {
				return []field{hidden("officer"), {Name: "certificate", Label: "Certificate", Kind: "area", Most: 8000, Hint: "PEM, as the IKI authority issued it."}}
			},
			deed: func(in *input) ra.Deed {
				block, rest := pem.Decode([]byte(in.Get("certificate")))
				if block == nil || block.Type != "CERTIFICATE" || len((&input{Values: map[string][]string{"rest": {string(rest)}}}).text("rest")) > 0 {
					in.wrong("certificate", errors.New("want one certificate in PEM, from BEGIN CERTIFICATE to END CERTIFICATE, and nothing else"))
					return ra.AddCredential{}
				}
				return ra.AddCredential{Officer: ra.OfficerID(in.Get("officer")), Certificate: block.Bytes}
			}, again: again},
		ra.ActWithdrawCredential: {title: "Withdraw an IKI certificate", button: "Withdraw at once", grave: true,
			fields: func(*Console) []field {
				return []field{hidden("officer"), {Name: "serial", Label: "Serial number", Kind: "choice"}, why("why", "Reason", "The officer is no longer known by it. Revoking it is for the IKI authority.")}
			},
			deed: func(in *input) ra.Deed {
				serial, err := policy.ParseSerial(in.Get("serial"))
				if err != nil {
					in.wrong("serial", errors.New("the certificate is missing"))
				}
				return ra.WithdrawCredential{Serial: serial, Why: in.text("why")}
			}, again: again},
	}
}

// officers are the officers of one party, or of the registration authority.
func (c *Console) officers(v *visit) (*screen, error) {
	party := ra.PartyID(v.URL.Query().Get("party"))
	if c.partys(v) {
		party = v.officer.Party
	}
	if err := c.sees(v, party); err != nil {
		return nil, err
	}
	body := struct {
		Of       ra.PartyID
		Parties  []ra.Party // whose officers one may look at
		Officers []ra.Officer
		Forms    []*form
	}{Of: party}
	var err error
	if body.Officers, err = c.registry.Officers(v.Context(), party); err != nil {
		return nil, err
	}
	if !c.partys(v) {
		if body.Parties, err = c.registry.Parties(v.Context()); err != nil {
			return nil, err
		}
	}
	if party == "" {
		body.Forms = c.offers(v, nil, ra.ActAppointRAOfficer)
	}
	return &screen{"Officers of " + of(party), "officers.html", body}, nil
}

// officerPage is one officer.
func (c *Console) officerPage(v *visit) (*screen, error) {
	o, err := c.registry.Officer(v.Context(), ra.OfficerID(v.PathValue("id")))
	if err == nil {
		err = c.sees(v, o.Party)
	}
	if err != nil {
		return nil, err
	}
	body := struct {
		ra.Officer
		Office      ra.RoleRule
		Credentials []ra.Credential
		Decisions   []past
		Forms       []*form
	}{Officer: o, Office: c.table.Roles[o.Role]}
	if body.Credentials, err = c.registry.Credentials(v.Context(), o.ID); err != nil {
		return nil, err
	}
	if c.mayNot(v, ra.ActReadQueues) == nil {
		if body.Decisions, err = c.decisions(v, "officer/"+string(o.ID)); err != nil {
			return nil, err
		}
	}
	given := map[string]string{"officer": string(o.ID), "party": string(o.Party)}
	if o.State == ra.Active {
		body.Forms = c.offers(v, given, ra.ActAddCredential)
	}
	choices := []choice{{"", "Choose the certificate"}}
	for _, cred := range body.Credentials {
		if cred.State == ra.Active {
			choices = append(choices, choice{cred.Serial.String(), cred.Serial.String() + ", valid to " + when(cred.NotAfter)})
		}
	}
	if len(choices) > 1 {
		for _, f := range c.offers(v, given, ra.ActWithdrawCredential) {
			for n := range f.Fields {
				if f.Fields[n].Name == "serial" {
					f.Fields[n].Choices = choices
				}
			}
			body.Forms = append(body.Forms, f)
		}
	}
	if o.State == ra.Active {
		act := ra.ActWithdrawOfficer
		if o.Party == "" {
			act = ra.ActWithdrawRAOfficer
		}
		body.Forms = append(body.Forms, c.offers(v, given, act)...)
	}
	return &screen{fmt.Sprintf("Officer %s", o.ID), "officer.html", body}, nil
}
