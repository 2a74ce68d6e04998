package console

import (
	"fmt"
	"strings"

	"smki.example/ca/ra"
	"smki.example/policy"
)

// partyForms are the acts that change the register of parties.
func partyForms() map[ra.Act]spec {
	again := on("party", func(c *Console) page { return c.party })
	papers := field{Name: "application", Label: "Reference of the papers", Kind: "text", Most: 120}
	body := func(*Console) []field {
		categories := []choice{{"", "Choose the category"}}
		for _, category := range ra.Categories() {
			categories = append(categories, choice{string(category), string(category)})
		}
		var roles []choice
		for _, role := range policy.Roles() {
			if role != policy.RoleRoot && role != policy.RoleIssuingAuthority {
				roles = append(roles, choice{role.OU(), role.OU() + " " + role.String()})
			}
		}
		return []field{
			{Name: "name", Label: "Name of the organisation", Kind: "text", Most: 120},
			{Name: "category", Label: "Party Category", Kind: "choice", Choices: categories},
			{Name: "roles", Label: "Remote Party Roles", Kind: "many", Optional: true, Choices: roles},
			{Name: "subscriber", Label: "Authorised Subscriber", Kind: "many", Optional: true, Choices: []choice{{"device", "for Device Certificates"}, {"organisation", "for Organisation Certificates"}}},
			papers,
		}
	}
	// enrol is what both forms say; ChangeParty has the same fields.
	enrol := func(in *input) ra.EnrolParty {
		return ra.EnrolParty{Party: ra.PartyID(in.text("party")), Name: in.text("name"), Category: ra.Category(in.Get("category")),
			Roles: in.roles("roles"), Subscriber: in.subscriber("subscriber"), Application: in.text("application")}
	}
	span := func(in *input) ra.Range {
		first := in.entity("first")
		if in.text("last") == "" {
			return ra.One(first)
		}
		return ra.Range{First: first, Last: in.entity("last")}
	}
	return map[ra.Act]spec{
		ra.ActEnrolParty: {title: "Enrol a party", button: "Enrol the party",
			fields: func(c *Console) []field {
				return append([]field{{Name: "party", Label: "Short name for the register", Kind: "text", Most: 63, Hint: "Letters a to z, digits, dots and hyphens. It is never given twice."}}, body(c)...)
			},
			deed:  func(in *input) ra.Deed { return enrol(in) },
			again: func(c *Console, _ *visit, _ *input) page { return c.parties }},
		ra.ActChangeParty: {title: "Change the entry", button: "Change the entry",
			fields: func(c *Console) []field { return append([]field{hidden("party")}, body(c)...) },
			deed:   func(in *input) ra.Deed { return ra.ChangeParty(enrol(in)) }, again: again},
		ra.ActWithdrawParty: {title: "Withdraw the party", button: "Withdraw it", grave: true,
			fields: func(*Console) []field {
				return []field{hidden("party"), why("why", "Reason", "Its officers may do nothing from then on. Its certificates are not revoked by this.")}
			},
			deed: func(in *input) ra.Deed {
				return ra.WithdrawParty{Party: ra.PartyID(in.Get("party")), Why: in.text("why")}
			}, again: again},
		ra.ActAssignIdentifiers: {title: "Assign EUI-64 identifiers", button: "Assign them",
			fields: func(*Console) []field {
				return []field{hidden("party"),
					{Name: "first", Label: "First EUI-64", Kind: "text", Most: 23, Hint: "As 90-B3-D5-1F-30-00-00-00, or without hyphens."},
					{Name: "last", Label: "Last EUI-64", Kind: "text", Most: 23, Optional: true, Hint: "Empty for a single one."},
					papers}
			},
			deed: func(in *input) ra.Deed {
				return ra.AssignIdentifiers{Party: ra.PartyID(in.Get("party")), Range: span(in), Application: in.text("application")}
			}, again: again},
		ra.ActReleaseIdentifiers: {title: "Release EUI-64 identifiers", button: "Release them", grave: true,
			fields: func(*Console) []field {
				return []field{hidden("party"),
					{Name: "first", Label: "First EUI-64", Kind: "text", Most: 23, Hint: "A range is released as it was assigned."},
					{Name: "last", Label: "Last EUI-64", Kind: "text", Most: 23, Optional: true, Hint: "Empty for a single one."},
					why("why", "Reason", "")}
			},
			deed: func(in *input) ra.Deed {
				return ra.ReleaseIdentifiers{Party: ra.PartyID(in.Get("party")), Range: span(in), Why: in.text("why")}
			}, again: again},
	}
}

// parties are the parties in the register.
func (c *Console) parties(v *visit) (*screen, error) {
	all, err := c.registry.Parties(v.Context())
	if err != nil {
		return nil, err
	}
	body := struct {
		Parties []ra.Party
		Forms   []*form
	}{Forms: c.offers(v, nil, ra.ActEnrolParty)}
	for _, p := range all {
		if c.sees(v, p.ID) == nil {
			body.Parties = append(body.Parties, p)
		}
	}
	return &screen{"Parties", "parties.html", body}, nil
}

// party is one party.
func (c *Console) party(v *visit) (*screen, error) {
	id := ra.PartyID(v.PathValue("id"))
	if err := c.sees(v, id); err != nil {
		return nil, err
	}
	p, err := c.registry.Party(v.Context(), id)
	if err != nil {
		return nil, err
	}
	body := struct {
		ra.Party
		Ranges    []ra.Identifiers
		Officers  []ra.Officer
		Decisions []past
		Forms     []*form
	}{Party: p}
	if body.Ranges, err = c.registry.Identifiers(v.Context(), id); err != nil {
		return nil, err
	}
	if body.Officers, err = c.registry.Officers(v.Context(), id); err != nil {
		return nil, err
	}
	if c.mayNot(v, ra.ActReadQueues) == nil {
		if body.Decisions, err = c.decisions(v, "party/"+string(id)); err != nil {
			return nil, err
		}
	}
	if p.State == ra.Active {
		var roles, subscriber []string
		for _, role := range p.Roles {
			roles = append(roles, role.OU())
		}
		if p.Subscriber.Device {
			subscriber = append(subscriber, "device")
		}
		if p.Subscriber.Organisation {
			subscriber = append(subscriber, "organisation")
		}
		given := map[string]string{"party": string(id), "name": p.Name, "category": string(p.Category), "roles": strings.Join(roles, ","), "subscriber": strings.Join(subscriber, ",")}
		body.Forms = c.offers(v, given, ra.ActChangeParty, ra.ActAssignIdentifiers)
	}
	owns := false
	for _, g := range body.Ranges {
		owns = owns || g.ReleasedAt.IsZero()
	}
	if owns {
		body.Forms = append(body.Forms, c.offers(v, map[string]string{"party": string(id)}, ra.ActReleaseIdentifiers)...)
	}
	if p.State == ra.Active {
		given := map[string]string{"party": string(id)}
		body.Forms = append(body.Forms, c.offers(v, given, ra.ActAppointSRO)...)
		if v.officer.Party == id {
			body.Forms = append(body.Forms, c.offers(v, given, ra.ActAppointARO, ra.ActAppointSystem)...)
		}
		body.Forms = append(body.Forms, c.offers(v, given, ra.ActWithdrawParty)...)
	}
	return &screen{fmt.Sprintf("Party %s", id), "party.html", body}, nil
}
