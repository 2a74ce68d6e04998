package synthetic

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	cryptorand "crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"smki.example/ca/audit"
	"smki.example/ca/store"
	"smki.example/policy"
)

// Config says what to fill and how far.
type Config struct {
	Store       *store.Store
	Environment *policy.Environment // must be an exercise
	// Certificates is how many made-up ones there will be when Fill returns; those that
	// are there count. At most 14 million.
	Certificates int64
	// RevokeEvery revokes one certificate in so many; 0: none.
	RevokeEvery int64
	// Progress, if not nil, hears how many are done.
	Progress func(done int64)
}

// perWrite is how many certificates one transaction has, perRecord how many one
// audit record tells of, as in a batch.
const (
	perWrite  = 10_000
	perRecord = 1_000
)

// Requester is who the made-up certificates were made up for.
const Requester = "synthetic"

// owner is the lease that made-up intents name; they are settled, so that nobody
// asks whether it lives.
const owner = "synthetic"

// Fill adds rows until there are as many certificates as cfg says. It may be
// called again after it was interrupted, and goes on. The CA must have issued one
// device certificate, which is the pattern of all.
func Fill(ctx context.Context, cfg Config) error {
	if cfg.Environment == nil || !cfg.Environment.Exercise {
		return errors.New("filling a database: want one of an exercise: made-up rows have no place in another")
	}
	f := &filler{Config: cfg, rand: rand.New(rand.NewPCG(1, 2))}
	if err := errors.Join(f.makeKeys(), f.pattern(ctx)); err != nil {
		return fmt.Errorf("filling a database: %w", err)
	}
	for f.n < f.Certificates {
		if err := ctx.Err(); err != nil {
			return err
		}
		count := min(perWrite, f.Certificates-f.n)
		if err := f.Store.Write(ctx, func(tx store.Tx) error { return f.certificates(ctx, tx, count) }); err != nil {
			return fmt.Errorf("filling a database: %w", err)
		}
		f.n += count
		if f.Progress != nil {
			f.Progress(f.n)
		}
	}
	if f.RevokeEvery > 0 {
		if err := f.revoke(ctx); err != nil {
			return fmt.Errorf("filling a database: %w", err)
		}
	}
	return nil
}

type filler struct {
	Config
	rand *rand.Rand
	n    int64 // certificates made up so far
	at   int64 // microseconds: the time of the next

	keys           []madeUpKey
	issuer         string
	version        int64
	der, tbs       []byte
	places, within places
}

// places are where in the bytes of a certificate stands what differs.
type places struct{ serial, entity, key, subjectKeyID int }

// A madeUpKey is a public key that certificates share: to make one for each would
// take longer than all the rest.
type madeUpKey struct {
	point []byte
	id    policy.KeyID
}

func (f *filler) makeKeys() error {
	for range 1000 {
		key, err := ecdsa.GenerateKey(elliptic.P256(), cryptorand.Reader)
		if err != nil {
			return err
		}
		point, err := key.PublicKey.Bytes()
		if err != nil {
			return err
		}
		f.keys = append(f.keys, madeUpKey{point, policy.KeyIDOf(&key.PublicKey)})
	}
	return nil
}

// pattern reads the first device certificate, and how far a fill before came.
func (f *filler) pattern(ctx context.Context) error {
	return f.Store.Read(ctx, func(tx store.Tx) error {
		err := tx.QueryRow(ctx, `SELECT certificate.issuer, certificate.der, intent.tbs, intent.profile_version, certificate.recorded_at
			FROM certificate JOIN intent ON intent.id = certificate.intent WHERE certificate.profile = 'device' ORDER BY certificate.seq LIMIT 1`).
			Scan(&f.issuer, &f.der, &f.tbs, &f.version, &f.at)
		if err != nil {
			return fmt.Errorf("reading a device certificate (issue one first): %w", err)
		}
		cert, err := policy.ParseCertificate(f.der)
		if err != nil {
			return err
		}
		if f.places, err = find(f.der, cert); err != nil {
			return err
		}
		if f.within, err = find(f.tbs, cert); err != nil {
			return err
		}
		first := SerialOf(0)
		var before, all, last int64
		err = tx.QueryRow(ctx, `SELECT COALESCE((SELECT seq - 1 FROM certificate WHERE serial = $1), -1), MAX(seq),
			(SELECT recorded_at FROM certificate ORDER BY seq DESC LIMIT 1) FROM certificate`, first[:]).Scan(&before, &all, &last)
		if before >= 0 {
			f.n = all - before
		}
		f.at = max(f.at, last)
		return err
	})
}

func find(b []byte, cert *policy.Certificate) (places, error) {
	entity, _ := cert.EntityID()
	point, err := cert.PublicKey.Bytes()
	if err != nil {
		return places{}, err
	}
	s := string(b)
	p := places{strings.Index(s, string(cert.Serial[:])), strings.Index(s, string(entity[:])), strings.Index(s, string(point)), strings.Index(s, string(cert.SubjectKeyID[:]))}
	if p.serial < 0 || p.entity < 0 || p.key < 0 || p.subjectKeyID < 0 {
		return p, errors.New("the first device certificate has not the form that is expected")
	}
	return p, nil
}

// SerialOf is the serial number of the n-th made-up certificate, from 0. Its first
// half tells n, so that a reader can draw one that exists.
func SerialOf(n int64) policy.Serial {
	var s policy.Serial
	binary.BigEndian.PutUint64(s[:8], 0x1000_0000_0000_0000+uint64(n)*0x0000_0080_0000_0000)
	digest := sha256.Sum256(s[:8])
	copy(s[8:], digest[:8])
	return s
}

// EntityOf is the device of the n-th made-up certificate; each has two.
func EntityOf(n int64) policy.EntityID {
	var id policy.EntityID
	binary.BigEndian.PutUint64(id[:], 0x90B3_D5FF_0000_0000+uint64(n/2))
	return id
}

func (f *filler) certificates(ctx context.Context, tx store.Tx, count int64) error {
	intents := store.Rows{Table: "intent", Key: "id", Columns: []string{"handle", "kind", "issuer", "serial", "number", "profile", "profile_version",
		"entity", "spki", "tbs", "owner", "state", "cause", "created_at", "settled_at"}}
	certificates := store.Rows{Table: "certificate", Columns: []string{"serial", "intent", "issuer", "profile", "entity", "role", "key_usage",
		"spki", "not_before", "not_after", "status", "requester", "recorded_at", "der"}}
	notBefore, notAfter := time.UnixMicro(f.at).Truncate(time.Second).UnixMicro(), time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC).UnixMicro()
	for k := range count {
		n := f.n + k
		serial, entity := SerialOf(n), EntityOf(n)
		var spki [32]byte
		copy(spki[:], serial[:])
		f.fill(spki[16:])
		handle := make([]byte, 16)
		f.fill(handle)
		der, tbs := append([]byte(nil), f.der...), append([]byte(nil), f.tbs...)
		key := f.keys[n%int64(len(f.keys))]
		for _, one := range []struct {
			b []byte
			p places
		}{{der, f.places}, {tbs, f.within}} {
			copy(one.b[one.p.serial:], serial[:])
			copy(one.b[one.p.entity:], entity[:])
			copy(one.b[one.p.key:], key.point)
			copy(one.b[one.p.subjectKeyID:], key.id[:])
		}
		usage := int64(policy.UsageDigitalSignature)
		if n%2 == 1 {
			usage = int64(policy.UsageKeyAgreement)
		}
		status := "I"
		if f.RevokeEvery > 0 && n%f.RevokeEvery == 0 {
			status = "R"
		}
		intents.Values = append(intents.Values, []any{handle, "certificate", f.issuer, serial[:], nil, "device", f.version, entity[:], spki[:], tbs, owner, "recorded", "", f.at, f.at})
		certificates.Values = append(certificates.Values, []any{serial[:], nil, f.issuer, "device", entity[:], nil, usage, spki[:], notBefore, notAfter, status, Requester, f.at, der})
		if n%perRecord == perRecord-1 {
			f.at += 100_000 // a thousand in a tenth of a second
		}
	}
	ids, err := tx.Insert(ctx, intents)
	if err != nil {
		return err
	}
	for n, id := range ids {
		certificates.Values[n][1] = id
	}
	if _, err := tx.Insert(ctx, certificates); err != nil {
		return err
	}
	for from := 0; from < len(ids); from += perRecord {
		if err := f.records(ctx, tx, ids, intents.Values, certificates.Values, from, min(from+perRecord, len(ids))); err != nil {
			return err
		}
	}
	return nil
}

// records appends what the audit log would say of one shard of a batch.
func (f *filler) records(ctx context.Context, tx store.Tx, ids []int64, intents, certificates [][]any, from, to int) error {
	var begun, done strings.Builder
	for n := from; n < to; n++ {
		comma := ","
		if n == from {
			comma = ""
		}
		serial := policy.Serial(intents[n][3].([]byte)).String()
		tbs, der := sha256.Sum256(intents[n][9].([]byte)), sha256.Sum256(certificates[n][13].([]byte))
		fmt.Fprintf(&begun, `%s{"id":%d,"issuer":%q,"serial":%q,"profile":"device/%d","tbs_sha256":"%s"}`, comma, ids[n], f.issuer, serial, f.version, hex.EncodeToString(tbs[:]))
		fmt.Fprintf(&done, `%s{"id":%d,"issuer":%q,"serial":%q,"profile":"device/%d","sha256":"%s"}`, comma, ids[n], f.issuer, serial, f.version, hex.EncodeToString(der[:]))
	}
	at := time.UnixMicro(intents[from][13].(int64))
	for _, e := range []audit.Event{
		{Kind: audit.KindIntent, At: at, By: "ca", Body: raw(`{"owner":"` + owner + `","intents":[` + begun.String() + `]}`)},
		{Kind: audit.KindCertificate, At: at, By: Requester, Body: raw(`{"certificates":[` + done.String() + `]}`)},
	} {
		if _, err := audit.Append(ctx, tx, e); err != nil {
			return err
		}
	}
	return nil
}

// raw is JSON that is written already.
type raw string

func (r raw) MarshalJSON() ([]byte, error) { return []byte(r), nil }

func (f *filler) fill(b []byte) {
	for len(b) > 0 {
		var eight [8]byte
		binary.LittleEndian.PutUint64(eight[:], f.rand.Uint64())
		b = b[copy(b, eight[:]):]
	}
}
