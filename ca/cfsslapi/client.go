package cfsslapi

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/cloudflare/cfssl/auth"
)

// A Client is somebody who may sign and revoke, known by a key.
type Client struct {
	// Name is the requester in the ledger and for the registration authority.
	Name string
	// KeyFile holds the key as cfssl has it: hex digits, 16 octets or more. Others
	// than owner and group must not be able to read it.
	KeyFile string
	// PreviousKeyFile holds the key before, while the client changes over. May be
	// empty.
	PreviousKeyFile string
	// RevokeAny lets the client revoke certificates that others asked for.
	RevokeAny bool
}

// minimumKey is the length of the keys in cfssl's own examples; 128 bit are beyond
// guessing. cfssl itself takes a key of no octets, with which anybody's token is
// right.
const minimumKey = 16

// maximumKeyFile bounds what is read: no key of hex digits is longer.
const maximumKeyFile = 4096

// A key belongs to a client.
type key struct {
	client   Client
	secret   []byte // to find two clients with one key; never printed
	provider auth.Provider
}

func readKeys(clients []Client) ([]key, error) {
	var keys []key
	names := map[string]bool{}
	for _, c := range clients {
		if c.Name == "" || names[c.Name] {
			return nil, fmt.Errorf("client %q: every client needs a name of its own", c.Name)
		}
		names[c.Name] = true
		files := []string{c.KeyFile}
		if c.PreviousKeyFile != "" {
			files = append(files, c.PreviousKeyFile)
		}
		for _, file := range files {
			k, err := readKey(c, file)
			if err != nil {
				return nil, err
			}
			for _, other := range keys {
				if bytes.Equal(other.secret, k.secret) {
					return nil, fmt.Errorf("client %q: key file %q holds a key that is given already, for client %q; nobody could tell which of the two asks", c.Name, file, other.client.Name)
				}
			}
			keys = append(keys, k)
		}
	}
	return keys, nil
}

// readKey reads a key file. The text is checked before cfssl sees it, because
// cfssl takes "env:NAME" and "file:NAME" in the place of a key, and its error for
// a bad digit prints the digit.
func readKey(c Client, file string) (key, error) {
	bad := func(what string) (key, error) {
		return key{}, fmt.Errorf("client %q: key file %q %s", c.Name, file, what)
	}
	f, err := os.Open(file)
	if err != nil {
		return key{}, fmt.Errorf("client %q: opening its key: %w", c.Name, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return key{}, fmt.Errorf("client %q: opening its key: %w", c.Name, err)
	}
	if info.Mode().Perm()&0o007 != 0 {
		return bad(fmt.Sprintf("is open to everybody (mode %#o); chmod it to 0600", info.Mode().Perm()))
	}
	text, err := io.ReadAll(io.LimitReader(f, maximumKeyFile+1))
	if err != nil {
		return key{}, fmt.Errorf("client %q: reading its key: %w", c.Name, err)
	}
	if len(text) > maximumKeyFile {
		return bad("is too long for a key")
	}
	digits := strings.TrimSpace(string(text))
	secret, err := hex.DecodeString(digits)
	if err != nil {
		return bad("does not hold hex digits alone; make one with: openssl rand -hex 32")
	}
	if len(secret) < minimumKey {
		return bad(fmt.Sprintf("holds a key of %d octets, and %d is the least; make one with: openssl rand -hex 32", len(secret), minimumKey))
	}
	provider, err := auth.New(digits, nil)
	if err != nil {
		return bad("is not a key that cfssl takes")
	}
	return key{client: c, secret: secret, provider: provider}, nil
}

// authenticate finds whose key a request was made with.
func (f *Face) authenticate(r *auth.AuthenticatedRequest) (key, bool) {
	for _, k := range f.keys {
		if k.provider.Verify(r) {
			return k, true
		}
	}
	return key{}, false
}

// A nobody is the provider of a signer that was not made for one client: no token
// is right. A [Signer] has it, so that cfssl's handlers, mounted over it by
// whoever, refuse instead of signing for everybody.
type nobody struct{}

var _ auth.Provider = nobody{}

func (nobody) Token([]byte) ([]byte, error) {
	return nil, errors.New("making a token: this signer has no key of a client")
}

func (nobody) Verify(*auth.AuthenticatedRequest) bool { return false }

// Authenticated makes cfssl's client speak a route that takes an envelope but that
// the client has no call for. It returns a request modifier (SetReqModifier of
// cfssl's client.Remote) that sends the client's next request to the route, in an
// envelope with a token of the provider. A revocation, with the client's Info,
// whose answer has nothing in it:
//
//	remote.SetReqModifier(cfsslapi.Authenticated("authrevoke", provider))
//	_, err := remote.Info([]byte(`{"serial": …, "authority_key_id": …, "reason": …}`))
//
// If the provider cannot make a token the request goes out without one, and is
// refused.
func Authenticated(route string, provider auth.Provider) func(*http.Request, []byte) {
	return func(r *http.Request, body []byte) {
		token, err := provider.Token(body)
		if err != nil {
			token = nil
		}
		// No field of the envelope can fail to marshal.
		envelope, _ := json.Marshal(auth.AuthenticatedRequest{Timestamp: time.Now().Unix(), Token: token, Request: body})
		r.URL.Path = prefix + route
		r.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(envelope)), nil }
		r.Body, _ = r.GetBody()
		r.ContentLength = int64(len(envelope))
	}
}
