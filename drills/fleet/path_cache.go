package fleet

import (
	"bytes"
	"crypto/sha256"
	"encoding/asn1"
	"encoding/binary"
	"sync"
	"time"

	"smki.example/policy"
)

// cacheBound limits how many certificates and how many verdicts a fleet
// remembers. A campaign has a handful; the bound is for an attacker who sends a
// different certificate to each of a million meters.
const cacheBound = 20_000

// A pathCache remembers what certificates parse to and which paths lead where,
// for a whole fleet. Two thousand meters that get the same certificate would
// each come to the same verdict, and the check costs two ECDSA verifications;
// the signature on a command is each meter's own and is never cached.
//
// A verdict depends on octets alone: the certificate, the path and the anchor's
// key. Time is left out of it and checked apart, against dates that are
// remembered with the verdict. All methods may be called concurrently.
type pathCache struct {
	policies []asn1.ObjectIdentifier

	mu       sync.Mutex
	parsed   map[[32]byte]parsed
	verdicts map[[32]byte]error
}

type parsed struct {
	certificate *policy.Certificate
	err         error
}

func newPathCache(policies []asn1.ObjectIdentifier) *pathCache {
	return &pathCache{
		policies: policies,
		parsed:   make(map[[32]byte]parsed),
		verdicts: make(map[[32]byte]error),
	}
}

// parse reads a certificate as policy does, once for each string of octets.
func (p *pathCache) parse(der []byte) (*policy.Certificate, error) {
	key := sha256.Sum256(der)
	p.mu.Lock()
	known, ok := p.parsed[key]
	p.mu.Unlock()
	if ok {
		return known.certificate, known.err
	}
	// A certificate keeps the octets it was read from; a copy keeps the rest of
	// the message out of memory.
	c, err := policy.ParseCertificate(bytes.Clone(der))
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.parsed) >= cacheBound {
		clear(p.parsed)
	}
	p.parsed[key] = parsed{c, err}
	return c, err
}

// check says whether leaf leads over path to the anchor, time left aside. The
// error is that of policy.CheckPath.
func (p *pathCache) check(leaf *policy.Certificate, path []*policy.Certificate, anchor Anchor) error {
	key := verdictKey(leaf, path, anchor)
	p.mu.Lock()
	verdict, ok := p.verdicts[key]
	p.mu.Unlock()
	if ok {
		return verdict
	}
	verdict = policy.CheckPath(leaf, path, trustAnchor(anchor), policy.PathOptions{IgnoreTime: true, Policies: p.policies})
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.verdicts) >= cacheBound {
		clear(p.verdicts)
	}
	p.verdicts[key] = verdict
	return verdict
}

// checkTime says whether a path that check accepted holds at a time. The usual
// answer is found by comparing dates; only when one of the certificates is out
// of its dates is the path walked again, because the path list may hold a
// certificate that the path does not use.
func (p *pathCache) checkTime(leaf *policy.Certificate, path []*policy.Certificate, anchor Anchor, now time.Time) error {
	within := withinDates(leaf, now)
	for _, c := range path {
		within = within && withinDates(c, now)
	}
	if within {
		return nil
	}
	return policy.CheckPath(leaf, path, trustAnchor(anchor), policy.PathOptions{Now: now, Policies: p.policies})
}

func withinDates(c *policy.Certificate, now time.Time) bool {
	return !now.Before(c.NotBefore) && !now.After(c.NotAfter)
}

func trustAnchor(a Anchor) policy.TrustAnchor {
	t := policy.TrustAnchor{PublicKey: a.PublicKey, KeyID: a.KeyID}
	if a.Certificate != nil {
		t.Subject = a.Certificate.RawSubject
	}
	return t
}

// verdictKey hashes what a verdict depends on. Each part is preceded by its
// length, so that no two different questions have the same octets.
func verdictKey(leaf *policy.Certificate, path []*policy.Certificate, anchor Anchor) [32]byte {
	h := sha256.New()
	part := func(b []byte) {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	part(leaf.Raw)
	for _, c := range path {
		part(c.Raw)
	}
	t := trustAnchor(anchor)
	part(t.Subject)
	part(t.KeyID[:])
	if raw, err := t.PublicKey.Bytes(); err == nil {
		part(raw)
	}
	var key [32]byte
	h.Sum(key[:0])
	return key
}
