package auditor

import (
	"context"
	"runtime"
	"sync"
	"sync/atomic"

	"smki.example/ca/audit"
)

// groupItems is about how many things of the log are looked up in the ledger at
// once.
const groupItems = 1000

// replay plays the log from its beginning and holds each thing it tells of against
// the ledger.
func (a *inspection) replay(ctx context.Context) error {
	var group []*record
	items := 0
	for {
		page, n, err := a.records(ctx, a.report.Records)
		if err != nil {
			return err
		}
		a.report.Records += int64(n)
		for _, r := range page {
			group = append(group, r)
			if items += r.items(); items >= groupItems {
				if err := a.play(ctx, group); err != nil {
					return err
				}
				group, items = nil, 0
			}
		}
		if n < recordPage {
			return a.play(ctx, group)
		}
	}
}

// found is what the ledger has of the things that a group of records tells of.
type found struct {
	intents      map[int64]*intentRow
	certificates map[string]*certificateRow // by serial number, IKI's among them
	revocations  map[string]*revocationRow
	faults       map[string]error // of certificates' bytes
}

// play holds a group of records against the ledger, in their order.
func (a *inspection) play(ctx context.Context, group []*record) error {
	f, err := a.find(ctx, group)
	if err != nil {
		return err
	}
	a.readAll(group, f)
	for _, r := range group {
		switch r.Kind {
		case audit.KindIntent, audit.KindCeremony, kindAdopted:
			err = a.intended(ctx, r, f)
		case audit.KindCertificate:
			err = a.recorded(r, f)
		case audit.KindWrittenOff:
			err = a.givenUp(r, f)
		case audit.KindRevocation:
			err = a.revoked(r, f)
		case audit.KindCRL:
			err = a.published(ctx, r, f)
		case audit.KindBlockedKey:
			err = a.blockedKey(ctx, r)
		default:
			err = officeRecords[r.Kind](a, r)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// find looks up everything that a group tells of.
func (a *inspection) find(ctx context.Context, group []*record) (*found, error) {
	var ids []any
	serials := map[bool][]any{} // by: is it IKI's
	revoked := map[bool][]any{}
	add := func(to map[bool][]any, r *record, iki bool, serial string) error {
		octets, err := serialOctets(serial)
		if err != nil {
			return differ(r.Seq, "the log: %v", err)
		}
		to[iki] = append(to[iki], octets)
		return nil
	}
	for _, r := range group {
		for _, it := range r.says.Intents {
			ids = append(ids, it.ID)
		}
		for _, it := range r.certificates() {
			ids = append(ids, it.ID)
			if err := add(serials, r, isIKI(it.Profile), it.Serial); err != nil {
				return nil, err
			}
		}
		for _, v := range r.says.Revocations {
			if err := errorsOf(add(serials, r, isIKI(v.Issuer), v.Serial), add(revoked, r, isIKI(v.Issuer), v.Serial)); err != nil {
				return nil, err
			}
		}
		if r.Kind == audit.KindCRL {
			ids = append(ids, r.says.ID)
		}
	}
	f := &found{certificates: make(map[string]*certificateRow), revocations: make(map[string]*revocationRow), faults: make(map[string]error)}
	var err error
	if f.intents, err = a.intents(ctx, ids); err != nil {
		return nil, err
	}
	for iki, list := range serials {
		rows, err := a.certificates(ctx, iki, list)
		if err != nil {
			return nil, err
		}
		for serial, c := range rows {
			f.certificates[serial] = c
		}
	}
	for iki, list := range revoked {
		rows, err := a.revocations(ctx, iki, list)
		if err != nil {
			return nil, err
		}
		for serial, v := range rows {
			f.revocations[serial] = v
		}
	}
	return f, nil
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// readAll takes the bytes of the group's certificates apart and verifies their
// signatures, on all cores: it is what an audit takes its time for.
func (a *inspection) readAll(group []*record, f *found) {
	var work []*certificateRow
	for _, r := range group {
		for _, it := range r.certificates() {
			if c := f.certificates[it.Serial]; c != nil {
				work = append(work, c)
			}
		}
	}
	faults := make([]error, len(work))
	var next atomic.Int64
	var wait sync.WaitGroup
	for range min(len(work), runtime.GOMAXPROCS(0)) {
		wait.Go(func() {
			for k := next.Add(1) - 1; k < int64(len(work)); k = next.Add(1) - 1 {
				faults[k] = a.readCertificate(work[k])
			}
		})
	}
	wait.Wait()
	for n, c := range work {
		f.faults[serialText(c.serial)] = faults[n]
	}
}
