package repository_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"
)

// A client asks the Repository as the industry's test client does: it searches by
// subject alone, filters what it is given by itself, and then retrieves everything
// that fits at once; it waits half a second for a connection and four for an answer;
// it reads element names without namespace and looks at nothing it does not need.
type client struct {
	base, key string
	http      *http.Client
}

var (
	errParameters = errors.New("invalid parameters")
	errFailure    = errors.New("failure")
)

func newClient(base, key string) *client {
	dialer := &net.Dialer{Timeout: 500 * time.Millisecond}
	return &client{base: base, key: key, http: &http.Client{Timeout: 4 * time.Second, Transport: &http.Transport{DialContext: dialer.DialContext, MaxIdleConnsPerHost: 100}}}
}

// An element is any element, by name.
type element struct {
	XMLName  xml.Name
	Attr     []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []element  `xml:",any"`
}

func (e element) child(name string) (element, bool) {
	for _, c := range e.Children {
		if c.XMLName.Local == name {
			return c, true
		}
	}
	return element{}, false
}

func (e element) text(name string) string { c, _ := e.child(name); return c.Text }

func (e element) names() (names []string) {
	for _, c := range e.Children {
		names = append(names, c.XMLName.Local)
	}
	return names
}

// ask posts a request of one value. A nil element says that nothing was found.
func (c *client) ask(service, root, field, value string) (*element, error) {
	body := fmt.Sprintf(`<?xml version="1.0" encoding="utf-8"?><%s><%s>%s</%s></%s>`, root, field, value, field, root)
	answer, err := c.http.Post(c.base+"services/"+service+"?"+url.Values{"apikey": {c.key}}.Encode(), "application/xml", strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	b, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, err
	}
	media, _, _ := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	switch {
	case answer.StatusCode == http.StatusPaymentRequired:
		return nil, nil
	case answer.StatusCode == http.StatusUnauthorized:
		return nil, errParameters
	case answer.StatusCode != http.StatusOK || media != "application/xml":
		return nil, fmt.Errorf("%w: %d %s: %s", errFailure, answer.StatusCode, media, b)
	}
	var e element
	if err := xml.NewDecoder(bytes.NewReader(b)).Decode(&e); err != nil {
		return nil, err
	}
	return &e, plainDocument(e)
}

// plainDocument fails on what the client's parser would trip over.
func plainDocument(e element) error {
	if e.XMLName.Space != "" || len(e.Attr) > 0 {
		return fmt.Errorf("element %v has a namespace or attributes %v", e.XMLName, e.Attr)
	}
	for _, c := range e.Children {
		if err := plainDocument(c); err != nil {
			return err
		}
	}
	return nil
}

// certificate retrieves one, as DER. Nil: there is none.
func (c *client) certificate(serial string) (der []byte, answer element, err error) {
	e, err := c.ask("retrievecertificate", "CertificateDataRequest", "CertificateSerial", serial)
	if err != nil || e == nil {
		return nil, element{}, err
	}
	got, _ := e.child("CertificateResponse")
	der, err = base64.StdEncoding.DecodeString(got.text("CertificateBody"))
	return der, got, err
}

// results searches, without filter.
func (c *client) results(field, entity string) ([]element, error) {
	e, err := c.ask("certificatesearch", "CertificateSearchRequest", field, entity)
	if err != nil || e == nil {
		return nil, err
	}
	var results []element
	for _, r := range e.Children {
		if r.XMLName.Local == "Result" {
			results = append(results, r)
		}
	}
	return results, nil
}

// find searches, filters by status, usage and role ("": any), and retrieves what is
// left, all at once.
func (c *client) find(ctx context.Context, field, entity, status, usage, role string) (map[string][]byte, error) {
	results, err := c.results(field, entity)
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var wait sync.WaitGroup
	found := map[string][]byte{}
	var failed error
	for _, r := range results {
		if r.text("CertificateStatus") != status || r.text("CertificateUsage") != usage || role != "" && r.text("CertificateRole") != role {
			continue
		}
		wait.Go(func() {
			der, _, err := c.certificate(r.text("CertificateSerial"))
			mu.Lock()
			defer mu.Unlock()
			failed = errors.Join(failed, err, ctx.Err())
			found[r.text("CertificateSerial")] = der
		})
	}
	wait.Wait()
	return found, failed
}
