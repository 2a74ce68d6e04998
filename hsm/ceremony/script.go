package ceremony

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/goccy/go-yaml/ast"

	"smki.example/hsm"
	"smki.example/policy"
)

// A Script is what a ceremony does, as it was reviewed. It comes from [Parse]
// and is not changed afterwards.
type Script struct {
	File string
	Raw  []byte // the file; its SHA-256 names the script

	Title       string
	Environment string // the environment it was written for
	Source      string // where its content comes from
	Verified    bool   // whether somebody has checked it against that source

	Roles        []Role
	Tokens       []Token
	Keys         []Key
	Contingency  *Contingency // nil if the script has none
	Certificates []Certificate
	Steps        []Step
}

// A Role is somebody who takes part. Scripts name roles, never people.
type Role struct {
	Pos  Pos
	Name string
	Duty string
}

// A Token is a token by its owner. A run decides which real token stands for
// it; several may share one.
type Token struct {
	Pos   Pos
	Name  string
	Holds string
}

// A Key is a key pair to be made on a token, or, if the script says so, one that
// an earlier ceremony made there and that signs in this one.
type Key struct {
	Pos   Pos
	Label hsm.KeyLabel
	Token string
	Use   string // "sign" or "derive"
	For   string // what for, in words
	// Existing keys are not made but found. They are all that a ceremony may use of
	// what was on a token before it began, each by its name in the script.
	Existing bool
	// Modifiable, if not empty, says why the key is made with CKA_MODIFIABLE true, so
	// that SoftHSM signs with copies in sessions. Its value cannot leave either way; its
	// label and use can be changed by who is logged in.
	Modifiable string
}

// A Certificate is one to be issued. Its validity and extensions are those of
// its profile in the environment. That of an existing key is there already, and is
// given to the run ([Config].Existing).
type Certificate struct {
	Pos         Pos
	Name        string
	Profile     policy.ProfileName
	Issuer      string // name of another certificate; empty if self-signed
	Key         hsm.KeyLabel
	CN          string
	Role        string // organisation: name of the remote party role
	EntityID    string
	Usage       string       // organisation: "digitalSignature" or "keyAgreement"
	Contingency hsm.KeyLabel // root-oca: the contingency key whose public half it carries, wrapped
	// Renews names the certificate of an existing root key that this one is to
	// take the place of: same key, same name, and a contingency key wrapped anew.
	Renews string
}

// Contingency is how the contingency key's public half is wrapped and who gets
// the symmetric key's shares. Our reading; no public text gives the octets.
type Contingency struct {
	Pos Pos
	Key hsm.KeyLabel
	// Given says that the pair stays as it is, on a token that this ceremony does
	// not open: its public half, which is all that wrapping needs, is given to the
	// run ([Config].Contingency).
	Given      bool
	Wrap       string // "id-aes256-wrap-pad"
	Custodians []string
	Open       int
	Basis      string
}

// Verbs of a step.
const (
	VerbOpen     = "open"     // a token
	VerbGenerate = "generate" // a key
	VerbWrap     = "wrap"     // a contingency key
	VerbCertify  = "certify"  // a certificate
	VerbUse      = "use"      // an existing key
)

var verbs = []string{VerbOpen, VerbGenerate, VerbWrap, VerbCertify, VerbUse}

// A Step is one numbered step: who does or says what, and what is checked. A
// step without a verb is for the people in the room alone.
type Step struct {
	Pos     Pos
	Number  int
	Who     string
	Says    string
	Verb    string
	Object  string
	Checked string
}

//go:embed default.yaml
var defaultScript []byte

// DefaultScript returns the embedded script of the exercise environment: Root
// and Issuing OCA, Root and Issuing DCA, the IKI key, the Recovery key with its
// Organisation Certificate, and the Contingency key wrapped into the Root OCA's
// certificate.
func DefaultScript() *Script {
	s, err := Parse("default.yaml", defaultScript)
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		panic("ceremony: internal error: the embedded script is wrong: " + err.Error())
	}
	return s
}

//go:embed rollover.yaml
var rolloverScript []byte

// RolloverScript returns the embedded script of a planned rollover in an exercise:
// a second Issuing OCA and a second Issuing DCA, signed by the roots that are there.
func RolloverScript() *Script {
	s, err := Parse("rollover.yaml", rolloverScript)
	if err == nil {
		err = s.Check()
	}
	if err != nil {
		panic("ceremony: internal error: the embedded script is wrong: " + err.Error())
	}
	return s
}

// Hash is the SHA-256 of the script's file, in hex: what is read aloud before
// the rehearsal and before the run.
func (s *Script) Hash() string {
	sum := sha256.Sum256(s.Raw)
	return hex.EncodeToString(sum[:])
}

// Parse reads a script; file is its name in errors. The error joins a
// *[ScriptError] for each unknown key, wrong type or missing part. Parse does
// not look at references; [Script.Check] does.
func Parse(file string, b []byte) (*Script, error) {
	r := &reader{file: file}
	s := &Script{File: file, Raw: bytes.Clone(b)}
	if top := r.document(b); top != nil {
		s.read(r, top)
	}
	if len(r.problems) > 0 {
		return nil, errors.Join(r.problems...)
	}
	return s, nil
}

func (s *Script) read(r *reader, top ast.Node) {
	f := r.fields(top, "script", "ceremony!", "title!", "environment!", "source!", "verified!",
		"roles!", "tokens!", "keys!", "contingency", "certificates!", "steps!")
	if n := f["ceremony"]; n != nil {
		if version := r.number(n, "ceremony"); version != 1 {
			r.fail(n, "ceremony: version %d of the script language is unknown; want 1", version)
		}
	}
	s.Title, s.Environment, s.Source = r.text(f["title"], "title"), r.text(f["environment"], "environment"), r.text(f["source"], "source")
	s.Verified = r.truth(f["verified"], "verified")
	for _, p := range r.entries(f["roles"], "roles") {
		s.Roles = append(s.Roles, Role{position(p.key), p.name, r.text(p.value, "role "+p.name)})
	}
	for _, p := range r.entries(f["tokens"], "tokens") {
		s.Tokens = append(s.Tokens, Token{position(p.key), p.name, r.text(p.value, "token "+p.name)})
	}
	for _, p := range r.entries(f["keys"], "keys") {
		what := "key " + p.name
		k := r.fields(p.value, what, "token!", "use!", "for!", "existing", "modifiable")
		s.Keys = append(s.Keys, Key{position(p.key), hsm.KeyLabel(p.name), r.text(k["token"], what+": token"), r.text(k["use"], what+": use"), r.text(k["for"], what+": for"), r.truth(k["existing"], what+": existing"), r.text(k["modifiable"], what+": modifiable")})
	}
	for _, p := range r.entries(f["certificates"], "certificates") {
		s.Certificates = append(s.Certificates, readCertificate(r, p))
	}
	if n := f["contingency"]; n != nil {
		c := r.fields(n, "contingency", "key!", "given", "wrap!", "custodians!", "open!", "basis!")
		s.Contingency = &Contingency{position(n), hsm.KeyLabel(r.text(c["key"], "contingency: key")), r.truth(c["given"], "contingency: given"), r.text(c["wrap"], "contingency: wrap"),
			r.texts(c["custodians"], "contingency: custodians"), r.number(c["open"], "contingency: open"), r.text(c["basis"], "contingency: basis")}
	}
	for i, n := range r.list(f["steps"], "steps") {
		s.Steps = append(s.Steps, readStep(r, n, fmt.Sprintf("step %d of the list", i+1)))
	}
}

// entries is pairs of a section that may be missing, which was reported.
func (r *reader) entries(n ast.Node, what string) []pair {
	if n == nil {
		return nil
	}
	return r.pairs(n, what)
}

func readCertificate(r *reader, p pair) Certificate {
	what := "certificate " + p.name
	f := r.fields(p.value, what, "profile!", "issuer", "key!", "cn", "role", "entity", "usage", "contingency", "renews")
	text := func(field string) string { return r.text(f[field], what+": "+field) }
	return Certificate{
		Pos: position(p.key), Name: p.name, Profile: policy.ProfileName(text("profile")), Issuer: text("issuer"), Key: hsm.KeyLabel(text("key")),
		CN: text("cn"), Role: text("role"), EntityID: text("entity"), Usage: text("usage"), Contingency: hsm.KeyLabel(text("contingency")), Renews: text("renews"),
	}
}

func readStep(r *reader, n ast.Node, what string) Step {
	f := r.fields(n, what, append([]string{"step!", "who!", "says!", "checked"}, verbs...)...)
	st := Step{Pos: position(n), Number: r.number(f["step"], what+": step"), Who: r.text(f["who"], what+": who"),
		Says: r.text(f["says"], what+": says"), Checked: r.text(f["checked"], what+": checked")}
	for _, verb := range verbs {
		if f[verb] == nil {
			continue
		}
		if st.Verb != "" {
			r.fail(f[verb], "%s: a step does one thing, and this one would %s and %s", what, st.Verb, verb)
		}
		st.Verb, st.Object = verb, r.text(f[verb], what+": "+verb)
	}
	return st
}
