package main

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"

	"smki.example/ca/smkiws"
	"smki.example/policy"
)

// servicesFile is the file in a home that says what smki serve offers and to whom.
// Who can write to it can let others in: keep it to the operator, as home.json.
const servicesFile = "services.json"

// servicesVersion is the version of services.json that this program reads.
const servicesVersion = 1

// services are the settings of smki serve. The file is decoded strictly, every path in
// it is relative to the home unless it is absolute, and secrets stand in files of their
// own. A field that is missing has its default; so has everything without the file.
type services struct {
	// Version of the file: 1.
	Version int `json:"version"`
	// TimeZone is where the hours of windows, rates and daily files are hours, by its name: "Europe/London". Default: UTC.
	TimeZone string `json:"time_zone"`
	// Server is how the mutual TLS side shows itself to its clients.
	Server serverSettings `json:"server"`
	// Repository is the public read side.
	Repository repositorySettings `json:"repository"`
	// WebServices are the ad hoc, the batched and the portal's services.
	WebServices webSettings `json:"web_services"`
	// CFSSL lets software that was written for cfssl use this CA, below /api/v1/cfssl/. Default: it is not there.
	CFSSL *cfsslSettings `json:"cfssl"`

	location *time.Location
}

// serverSettings are the server's own certificate and its protocol.
type serverSettings struct {
	// Certificate is a PEM file with the server's certificate, RSA of 2048 bit or more, and its chain. Default: an exercise makes its own, in server.pem, and prints its fingerprint; elsewhere it is needed.
	Certificate string `json:"certificate"`
	// Key is a PEM file with the private key. Who can read it can pass for the server.
	Key string `json:"key"`
	// Hosts are names and addresses in a certificate that is made here, besides that of --listen.
	Hosts []string `json:"hosts"`
	// LeaseTerm is how long this server may be silent on PostgreSQL before others take over what it has in hand: "10s", at least "2s". A server that was stopped for longer, or cut off from the database, ends. Default: 10s.
	LeaseTerm span `json:"lease_term"`
	// TLS13 allows TLS 1.3 beside 1.2, of which the interfaces' cipher suites are. Default: false.
	TLS13 bool `json:"tls13"`
}

// repositorySettings are what the public read side allows.
type repositorySettings struct {
	// Rate is how many requests a second one API key may make in the long run. Default: 200.
	Rate float64 `json:"rate"`
	// Burst is how many of them at once. Default: 2000.
	Burst int `json:"burst"`
	// Acceptance is how long a certificate counts as pending before it is in use: "24h". Default: not at all.
	Acceptance span `json:"acceptance"`
	// Files are the daily full and delta files.
	Files fileSettings `json:"files"`
}

// fileSettings say when daily files are made, and how many stay.
type fileSettings struct {
	// Off leaves them out. Default: false.
	Off bool `json:"off"`
	// Directory is where they are. Who can write to it can replace a file, which its digest shows. Default: files.
	Directory string `json:"directory"`
	// At is the time of day from which the day's files are made: "02:00". Default: 00:00. A server that was not running then makes them when it starts.
	At dayTime `json:"at"`
	// Full is how many full files stay. Default: 2.
	Full int `json:"full"`
	// Delta is how many delta files stay. Default: 35.
	Delta int `json:"delta"`
	// SignKey is a PEM file with a private key, Ed25519 or ECDSA, that signs the files' digests. Default: they are not signed.
	SignKey string `json:"sign_key"`
}

// webSettings are what the Appendix M services allow.
type webSettings struct {
	// AdHocPath is where the ad hoc service listens; the true path is in the SMKI User Guide, which is not public. Default: /1.0/AdHocDeviceCSR/SubmitDeviceCSR.
	AdHocPath string `json:"ad_hoc_path"`
	// AutoApprove has every batch processed as it comes, which only an environment of open registration allows. Default: true there. With false, or without open registration, clients must be in the register and the registration authority releases each batch.
	AutoApprove *bool `json:"auto_approve"`
	// Window is when batches are processed. Default: always.
	Window windowSettings `json:"window"`
	// CoreInterval is the least time between two ad hoc requests of a party from 07:00 to 20:00. Default: 800ms.
	CoreInterval span `json:"core_interval"`
	// OtherInterval is the same for the other hours. Default: 4s.
	OtherInterval span `json:"other_interval"`
	// PortalDay is how many requests a party may send in 24 hours before the rest is queued behind everybody else's. Default: 50000.
	PortalDay int `json:"portal_day"`
	// PortalSingles is how many single requests a party may paste into the portal in 24 hours without notice. Default: 150.
	PortalSingles int `json:"portal_singles"`
	// Enforce answers 429 to who exceeds the intervals, and refuses pasted requests above portal_singles; these are the parties' duty and otherwise only logged. Default: false.
	Enforce bool `json:"enforce"`
	// Notices lift the limits of parties that gave notice of exceptional demand.
	Notices []noticeSettings `json:"notices"`
	// BatchItems is how many requests a batch may have. Default: 50000.
	BatchItems int `json:"batch_items"`
	// BatchOctets is how many octets an uploaded batch may have. Default: 67108864.
	BatchOctets int64 `json:"batch_octets"`
	// BatchTime is how long a client may take to send a batch. Default: 5m.
	BatchTime span `json:"batch_time"`
	// Retention is how long results can be fetched. Default: 720h.
	Retention span `json:"retention"`
	// Workers is how many parts of batches this process works at once. Default: 2.
	Workers int `json:"workers"`
	// Portal offers the portal's pages and batch files below /portal/. Default: true.
	Portal *bool `json:"portal"`
	// BareCertificates leaves the PEM lines out of the portal's crt files. Default: false.
	BareCertificates bool `json:"bare_certificates"`
}

// windowSettings are a part of the day.
type windowSettings struct {
	// Opens is a time of day: "20:00".
	Opens dayTime `json:"opens"`
	// Closes is a time of day, on the next day if it is before Opens: "08:00".
	Closes dayTime `json:"closes"`
}

// noticeSettings are a notice of exceptional demand.
type noticeSettings struct {
	// Party that gave it.
	Party string `json:"party"`
	// From is when it begins, RFC 3339.
	From time.Time `json:"from"`
	// Until is when it ends.
	Until time.Time `json:"until"`
}

// cfsslSettings say who may use cfssl's interface.
type cfsslSettings struct {
	// Clients are who may, each by a key. An IKI certificate is needed as well.
	Clients []cfsslClient `json:"clients"`
	// Unauthenticated is the requester's name under which requests without a key are taken, in an environment of open registration. Default: they are not.
	Unauthenticated string `json:"unauthenticated"`
}

// cfsslClient is a client of cfssl's interface.
type cfsslClient struct {
	// Name is the requester in the ledger. Where registration is not open it is PARTY/OFFICER of the system whose IKI certificate the connection has.
	Name string `json:"name"`
	// KeyFile holds the key as cfssl has it, in hex.
	KeyFile string `json:"key_file"`
	// PreviousKeyFile holds the key before, while the client changes over.
	PreviousKeyFile string `json:"previous_key_file"`
	// RevokeAny lets the client revoke what others asked for. Where registration is not open nobody revokes here: the registration authority does.
	RevokeAny bool `json:"revoke_any"`
}

// A span is a length of time as time.ParseDuration reads it: "90s", "24h".
type span time.Duration

func (s *span) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("want a time as text, like \"90s\" or \"24h\": got %.40s", b)
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return fmt.Errorf("%q: want a time like \"90s\" or \"24h\"", text)
	}
	*s = span(d)
	return nil
}

// A dayTime is a time of day, "20:00", as the time since midnight.
type dayTime time.Duration

func (t *dayTime) UnmarshalJSON(b []byte) error {
	var text string
	if err := json.Unmarshal(b, &text); err != nil {
		return fmt.Errorf("want a time of day as text, like \"20:00\": got %.40s", b)
	}
	at, err := time.Parse("15:04", text)
	if err != nil {
		return fmt.Errorf("%q: want a time of day like \"20:00\"", text)
	}
	*t = dayTime(time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute)
	return nil
}

// services reads services.json; without the file everything has its default.
func (h *home) services() (*services, error) {
	file := filepath.Join(h.dir, servicesFile)
	b, err := os.ReadFile(file)
	s := &services{Version: servicesVersion}
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, fmt.Errorf("reading %q: %w", file, err)
	default:
		s.Version = 0
		decoder := json.NewDecoder(bytes.NewReader(b))
		decoder.DisallowUnknownFields()
		err = decoder.Decode(s)
		if err == nil && decoder.Decode(new(any)) != io.EOF {
			err = errors.New("something follows the object")
		}
		if err == nil && s.Version != servicesVersion {
			err = fmt.Errorf("version is %d and this program knows %d", s.Version, servicesVersion)
		}
	}
	if err == nil || errors.Is(err, fs.ErrNotExist) {
		err = s.check(h)
	}
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", file, err)
	}
	return s, nil
}

// check fills in what depends on the environment, and refuses what it forbids.
func (s *services) check(h *home) (err error) {
	if s.TimeZone == "" {
		s.TimeZone = "UTC"
	}
	if s.location, err = time.LoadLocation(s.TimeZone); err != nil {
		return fmt.Errorf("time_zone: %w; want a name like Europe/London", err)
	}
	open := h.env.Registration == policy.RegistrationOpen
	if s.WebServices.AutoApprove == nil {
		s.WebServices.AutoApprove = &open
	}
	if *s.WebServices.AutoApprove && !open {
		return fmt.Errorf("web_services.auto_approve: environment %q issues to enrolled parties, and the registration authority releases each batch", h.env.Name)
	}
	if s.WebServices.Portal == nil {
		s.WebServices.Portal = new(true)
	}
	if err := checkAdHocPath(s.WebServices.AdHocPath); err != nil {
		return err
	}
	if (s.Server.Certificate == "") != (s.Server.Key == "") {
		return errors.New("server: certificate and key belong together; they may name one file")
	}
	if s.Server.LeaseTerm == 0 {
		s.Server.LeaseTerm = span(leaseTerm)
	}
	if s.Server.LeaseTerm < span(2*time.Second) {
		return errors.New("server.lease_term: want at least \"2s\": a server that is busy must not be taken for dead")
	}
	if s.Repository.Files.Directory == "" {
		s.Repository.Files.Directory = "files"
	}
	for n, notice := range s.WebServices.Notices {
		if notice.Party == "" || !notice.From.Before(notice.Until) {
			return fmt.Errorf("web_services.notices: number %d: want a party, and from before until", n+1)
		}
	}
	if s.CFSSL != nil && s.CFSSL.Unauthenticated != "" && !open {
		return fmt.Errorf("cfssl.unauthenticated: environment %q knows whom it issues to; give each client a key", h.env.Name)
	}
	return nil
}

// checkAdHocPath refuses a path that is another service's, or nobody's.
func checkAdHocPath(p string) error {
	if p == "" {
		return nil
	}
	if !strings.HasPrefix(p, "/") || path.Clean(p) != p || p == "/" || strings.ContainsAny(p, "{}?# ") {
		return fmt.Errorf("web_services.ad_hoc_path: %q: want a path like %s", p, smkiws.DefaultAdHocPath)
	}
	for _, taken := range []string{smkiws.SubmitPath, smkiws.ResultPath, smkiws.AdHocSchemaPath, smkiws.BatchSchemaPath, "/portal/", "/ra/", cfsslPath} {
		if p == strings.TrimSuffix(taken, "/") || strings.HasPrefix(p, taken) {
			return fmt.Errorf("web_services.ad_hoc_path: %q belongs to another service", p)
		}
	}
	return nil
}

// readKey reads a private key that signs files.
func readKey(file string) (crypto.Signer, error) {
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%q is not PEM", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%q holds no PKCS#8 key", file) // the cause may have some of the key in it
	}
	switch key := key.(type) {
	case ed25519.PrivateKey:
		return key, nil
	case *ecdsa.PrivateKey:
		return key, nil
	}
	return nil, fmt.Errorf("%q: want an Ed25519 or ECDSA key", file)
}
