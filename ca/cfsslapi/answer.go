package cfsslapi

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strings"

	cferr "github.com/cloudflare/cfssl/errors"

	"smki.example/ca"
)

// invalid is a refusal as cfssl says it: code 5300, HTTP status 400.
func invalid(err error) *cferr.Error {
	return cferr.Wrap(cferr.PolicyError, cferr.InvalidRequest, oneLine(err))
}

// unknown says that the ledger has no such certificate: code 11200, HTTP status
// 400.
func unknown(err error) *cferr.Error {
	return cferr.Wrap(cferr.CertStoreError, cferr.RecordNotFound, oneLine(err))
}

// status is an error of an HTTP status, which is its code too. cfssl makes only
// some of these itself.
func status(code int, format string, args ...any) *cferr.HTTPError {
	err := cferr.NewBadRequest(fmt.Errorf(format, args...))
	err.StatusCode = code
	return err
}

// answer turns an error of the CA into one that cfssl's handlers say in their own
// form. A refusal keeps its line. What is not the caller's doing is logged with its
// cause and told without it, under a reference that both have; cfssl's handlers
// recognise their errors only unwrapped, so that the cause ends here.
func (f *Face) answer(doing string, err error) error {
	var uncertain *ca.UncertainError
	switch {
	case errors.Is(err, ca.ErrRefused):
		return invalid(err)
	case errors.Is(err, ca.ErrNotFound):
		return unknown(err)
	case errors.Is(err, ca.ErrConflict):
		return status(http.StatusConflict, "%v", oneLine(err))
	}
	reference := rand.Text()[:10]
	f.log.Error("request through the cfssl interface failed", "step", doing, "reference", reference, "error", err)
	if errors.As(err, &uncertain) {
		return status(http.StatusServiceUnavailable,
			"a signature may have been made under serial %s; send the request again, and if it is refused as key-reuse the Repository has the certificate (reference %s)", uncertain.Serial, reference)
	}
	return status(http.StatusServiceUnavailable, "%s: the CA is unavailable; try again later (reference %s)", doing, reference)
}

// oneLine makes one line of an error that joins several.
func oneLine(err error) error {
	if text := err.Error(); strings.ContainsAny(text, "\r\n") {
		return errors.New(strings.Join(strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' }), "; "))
	}
	return err
}
