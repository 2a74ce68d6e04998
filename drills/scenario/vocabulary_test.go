package scenario_test

import "smki.example/drills/scenario"

// vocabulary is a small one, with something of every kind.
func vocabulary() scenario.Vocabulary {
	party := scenario.Param{Name: "party", Kind: scenario.PartyID}
	devices := scenario.Type{
		Name: "devices", Says: "a set of devices",
		Fields: []scenario.Name{
			{Name: "count", Type: "int", Says: "how many"},
			{Name: "share", Type: "double", Says: "of all devices, as a fraction of one"},
			{Name: "reachable", Type: "devices"},
			{Name: "changed", Type: "devices"},
		},
		Methods: []scenario.Function{
			{Name: "holding", Params: []scenario.Param{party}, Result: "devices"},
			{Name: "recovered", Params: []scenario.Param{party}, Result: "devices"},
			{Name: "except", Params: []scenario.Param{party}, Result: "devices"},
		},
	}
	crl := scenario.Type{Name: "crl", Fields: []scenario.Name{{Name: "number", Type: "int"}, {Name: "next_update", Type: "timestamp"}}}
	return scenario.Vocabulary{
		Verbs: []scenario.Verb{
			{Name: "replace", Says: "replaces a party's certificates on the devices", Object: party, Params: []scenario.Param{
				{Name: "by", Kind: scenario.Choice, Values: []string{"method 1", "method 2", "method 3"}, Required: true, Says: "the method"},
				{Name: "batch", Kind: scenario.Number, Default: "1000"},
				{Name: "share", Kind: scenario.Share},
				{Name: "retry", Kind: scenario.Duration},
				{Name: "until", Kind: scenario.Time},
				{Name: "quietly", Kind: scenario.Flag},
			}},
			{Name: "revoke", Says: "revokes certificates", Object: scenario.Param{Name: "certificates", Kind: scenario.Phrase, Values: []string{"{party} old certificates", "everything"}},
				Params: []scenario.Param{{Name: "reason", Kind: scenario.Choice, Values: []string{"keyCompromise", "superseded"}, Required: true, Says: "an RFC 5280 reason"}}},
			{Name: "raise thresholds", Object: party},
			{Name: "use", Object: scenario.Param{Name: "key", Kind: scenario.Key}, Params: []scenario.Param{{Name: "note", Kind: scenario.Text}, {Name: "of", Kind: scenario.BodyID}}},
		},
		Types:     []scenario.Type{devices, crl},
		Names:     []scenario.Name{{Name: "fleet", Type: "devices"}},
		Functions: []scenario.Function{{Name: "crl", Params: []scenario.Param{{Name: "issuer", Kind: scenario.Choice, Values: []string{"issuing-oca", "root-oca"}}}, Result: "crl"}},
		Bodies: []scenario.Body{
			{ID: "dcc", Name: "DCC"},
			{ID: "pma", Name: "SMKI PMA", Quorum: 3, Members: []scenario.Member{{ID: "chair", Vote: true}, {ID: "large supplier", Vote: true}, {ID: "network", Vote: true}, {ID: "authority"}}},
		},
		Recipients: []string{"dcc service desk", "pma chair", "panel"},
		Channels:   []string{"mail", "call", "news"},
		Labels:     []string{"WHITE", "GREEN", "AMBER", "RED"},
		Keys:       []string{"recovery", "contingency"},
		Categories: []string{"large supplier", "small supplier"},
		Roles:      []string{"supplier", "networkOperator"},
		Steps:      []scenario.Step{{ID: "notification"}, {ID: "method-1"}, {ID: "tell-pma-chair"}},
		Factors: []scenario.Factor{
			{ID: "evidence", Text: "is it confirmed", Force: "shall"},
			{ID: "race", Text: "is somebody racing", Force: "shall", Keys: []string{"recovery"}},
			{ID: "root", Text: "is the root in doubt", Force: "shall", Keys: []string{"contingency"}},
			{ID: "cost", Text: "what it costs", Force: "may"},
		},
	}
}
