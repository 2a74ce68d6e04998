package verbs

import (
	"smki.example/drills/fleet"
	"smki.example/drills/scenario"
)

// addAuthorityNames adds what conditions ask about authorities, custodians and tokens.
func (w *World) addAuthorityNames(names map[string]any) map[string]any {
	names["root"] = figures{typeRoot, map[string]any{"generation": w.dcc.root().key, "certificates": len(w.dcc.roots)}}
	names["shares"] = scenario.Func(func(args []any) (any, error) {
		t := w.sharesOf(args[0].(string)).tally()
		return figures{typeShares, map[string]any{
			"of": t.of, "needed": t.needed, "parties": t.parties, "safe": t.safe, "lost": t.lost, "seen": t.seen, "present": t.present,
			"enough": t.enough, "compromised": t.compromised,
		}}, nil
	})
	names["token"] = scenario.Func(func(args []any) (any, error) {
		owner, err := w.tokenOwner(args[0].(string))
		if err != nil {
			return nil, err
		}
		kind := ""
		if f := w.tokens.faults[owner]; f != nil {
			kind = f.kind
		}
		return figures{typeToken, map[string]any{"works": kind == "" || kind == faultSlow, "fault": kind}}, nil
	})
	names["key"] = scenario.Func(func(args []any) (any, error) { return w.keyFigures(args[0].(string)), nil })
	return names
}

// keyFigures are what conditions may ask of a guarded key, over its generations.
func (w *World) keyFigures(key string) figures {
	open, coming, exposed, destroyed := false, false, false, map[string]bool{}
	for _, c := range w.dcc.guards[key] {
		open = open || c.session != nil
		coming = coming || c.summoned != nil
		exposed = exposed || c.symmetric != nil && c.symmetric.exposed
		if c.destroyed {
			destroyed[c.owner] = true
		}
	}
	return figures{typeKey, map[string]any{
		"open": open, "coming": coming, "uses": w.usesOf(key), "generation": w.newest(key).generation, "exposed": exposed, "destroyed": len(destroyed),
	}}
}

// authorityFigures are the fields of ca that package and clerks of the CA know.
func (w *World) authorityFigures() map[string]any {
	return map[string]any{
		"issued": w.issued, "revoked": w.revokedCount(), "unknown": len(w.dcc.unknown), "log_gap": w.dcc.logGap,
		"demand": w.mostDemand(), "unannounced": len(w.dcc.surprised()), "under_old": w.underOld(),
	}
}

// withNewRoot are the devices that hold the newest root certificate, none before
// there is a new one.
func (w *World) withNewRoot(of fleet.Snapshot) fleet.Snapshot {
	newest := w.dcc.root().certificate.Serial
	return of.Where(func(r *fleet.Row) bool { return len(w.dcc.roots) > 1 && w.rootOn(r.Index) == newest })
}

// withNewDeviceKeys are the devices whose own two keys were renewed.
func (w *World) withNewDeviceKeys(of fleet.Snapshot) fleet.Snapshot {
	return of.Where(func(r *fleet.Row) bool { return w.dcc.keysOf[r.Index] > 0 })
}

// endStatus is the end of a device: how far it came with the keys of a party or, in
// a drill in which the party lost and renewed none, with the root certificate.
func (w *World) endStatus(p *party, r *fleet.Row) string {
	status := w.status(p, r)
	partys := len(w.wanted(p)) > 0 || len(w.attackers) > 0
	if status == "" || status == statusExcluded || partys || len(w.dcc.roots) == 1 {
		return status
	}
	switch {
	case w.rootOn(r.Index) == w.dcc.root().certificate.Serial:
		return statusRecovered
	case r.Reach == fleet.Unreachable:
		return statusUnreachable
	}
	return statusOld
}
