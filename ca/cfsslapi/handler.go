package cfsslapi

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/cloudflare/cfssl/api"
	"github.com/cloudflare/cfssl/api/info"
	"github.com/cloudflare/cfssl/api/revoke"
	"github.com/cloudflare/cfssl/api/signhandler"
	"github.com/cloudflare/cfssl/auth"
	"github.com/cloudflare/cfssl/signer"
)

// prefix is where cfssl's client looks for everything.
const prefix = "/api/v1/cfssl/"

// maxBody is several times the envelope of the largest request that is read.
const maxBody = 64 << 10

// Handler returns cfssl's handlers over this CA, for /api/v1/cfssl/ and what is
// below. Errors have cfssl's form; a refusal carries the CA's one line.
func (f *Face) Handler() http.Handler {
	mux := http.NewServeMux()
	for route, handle := range map[string]func(http.ResponseWriter, *http.Request, []byte) error{
		"info": f.info, "authsign": f.authSign, "authrevoke": f.authRevoke, "sign": f.sign, "revoke": f.revoke,
	} {
		mux.Handle(prefix+route, post(handle))
	}
	mux.HandleFunc(prefix, func(w http.ResponseWriter, r *http.Request) {
		api.HandleError(w, status(http.StatusNotFound, "%q is not among what this CA offers to cfssl: info, authsign, authrevoke", r.URL.Path))
	})
	return mux
}

// post reads the body, bounded, before anything of cfssl's does, because cfssl reads
// to the end whatever comes.
func post(handle func(http.ResponseWriter, *http.Request, []byte) error) http.Handler {
	return api.HTTPHandler{Methods: []string{http.MethodPost}, Handler: api.HandlerFunc(func(w http.ResponseWriter, r *http.Request) error {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
		if tooLarge := (*http.MaxBytesError)(nil); errors.As(err, &tooLarge) {
			return status(http.StatusRequestEntityTooLarge, "the request is larger than %d octets", maxBody)
		}
		if err != nil {
			return status(http.StatusBadRequest, "reading the request: the connection ended early")
		}
		return handle(w, r, body)
	})}
}

// pass hands a body to a handler of cfssl's, which writes the answer, errors
// included.
func pass(h http.Handler, w http.ResponseWriter, r *http.Request, body []byte) error {
	again := r.Clone(r.Context())
	again.Body, again.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	h.ServeHTTP(w, again)
	return nil
}

// open reads an envelope and finds whose it is.
func (f *Face) open(r *http.Request, body []byte) (key, []byte, error) {
	var envelope auth.AuthenticatedRequest
	if err := json.Unmarshal(body, &envelope); err != nil {
		return key{}, nil, status(http.StatusBadRequest, "reading the request: not an authenticated request of cfssl's: a JSON object with token and request")
	}
	k, ok := f.authenticate(&envelope)
	if !ok {
		f.log.Warn("request with an unknown key refused", "route", r.URL.Path, "from", r.RemoteAddr)
		return key{}, nil, status(http.StatusUnauthorized, "invalid token: it was not made with the key of a client of this CA")
	}
	return k, envelope.Request, nil
}

func (f *Face) info(w http.ResponseWriter, r *http.Request, body []byte) error {
	h, err := info.NewHandler(f.Signer(r.Context(), ""))
	if err != nil {
		return f.answer("preparing the answer", err)
	}
	return pass(h, w, r, body)
}

func (f *Face) authSign(w http.ResponseWriter, r *http.Request, body []byte) error {
	k, request, err := f.open(r, body)
	if err != nil {
		return err
	}
	if err := checkSign(request); err != nil {
		return err
	}
	s := f.Signer(r.Context(), k.client.Name)
	s.provider = k.provider
	h, err := signhandler.NewAuthHandlerFromSigner(s)
	if err != nil {
		return f.answer("preparing to sign", err)
	}
	return pass(h, w, r, body) // the envelope: cfssl verifies it once more
}

func (f *Face) authRevoke(w http.ResponseWriter, r *http.Request, body []byte) error {
	k, request, err := f.open(r, body)
	if err != nil {
		return err
	}
	return f.revokeAs(w, r, request, k.client.Name, !k.client.RevokeAny)
}

func (f *Face) sign(w http.ResponseWriter, r *http.Request, body []byte) error {
	if f.unauthenticated == "" {
		return status(http.StatusUnauthorized, "authentication required: use authsign with a client's key")
	}
	if err := checkSign(body); err != nil {
		return err
	}
	s := f.Signer(r.Context(), f.unauthenticated)
	s.provider = nil
	h, err := signhandler.NewHandlerFromSigner(s)
	if err != nil {
		return f.answer("preparing to sign", err)
	}
	return pass(h, w, r, body)
}

func (f *Face) revoke(w http.ResponseWriter, r *http.Request, body []byte) error {
	if f.unauthenticated == "" {
		return status(http.StatusUnauthorized, "authentication required: use authrevoke with a client's key")
	}
	return f.revokeAs(w, r, body, f.unauthenticated, true)
}

func (f *Face) revokeAs(w http.ResponseWriter, r *http.Request, request []byte, by string, ownOnly bool) error {
	var fields struct {
		Serial string `json:"serial"`
		AKI    string `json:"authority_key_id"`
		Reason string `json:"reason"`
	}
	if err := strict(request, &fields); err != nil {
		return err
	}
	a := f.Accessor(r.Context(), by)
	a.ownOnly = ownOnly
	return pass(revoke.NewHandler(a), w, r, request)
}

// checkSign refuses what cfssl's handler would drop unseen: it reads seven fields
// and ignores the rest, with which a client may have asked for something.
func checkSign(request []byte) error {
	var fields struct {
		signer.SignRequest
		Hostname string `json:"hostname"` // cfssl's handler makes hosts of it, which Sign refuses
		Bundle   bool   `json:"bundle"`
	}
	if err := strict(request, &fields); err != nil {
		return err
	}
	if fields.Bundle {
		return invalid(errors.New("refused: override: the request sets bundle; this CA makes none, leave it out and ask info for the issuer"))
	}
	return refuseOverrides(fields.SignRequest)
}

// strict decodes one JSON object and refuses fields that it does not know.
func strict(b []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return status(http.StatusBadRequest, "reading the request: %v", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return status(http.StatusBadRequest, "reading the request: something follows the JSON object")
	}
	return nil
}
