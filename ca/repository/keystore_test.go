package repository_test

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/repository"
	"smki.example/ca/store/storetest"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// schema is the form of a key store as it is known outside.
const schema = `{"type": "object", "additionalProperties": false, "patternProperties": {"^[0-9a-f]{16}$": {
	"type": "object", "additionalProperties": false, "patternProperties": {"^(digitalSignature|keyAgreement)$": {
		"type": "object", "additionalProperties": false, "patternProperties": {"^[1-9][0-9]*$": {
			"type": "object", "additionalProperties": false, "required": ["certificate"], "properties": {
				"certificate": {"type": "string"}, "privateKey": {"type": "string"}, "role": {"type": "number"}, "name": {"type": "string"}}}}}}}}}`

func fits(t *testing.T, document []byte) {
	t.Helper()
	s, err := jsonschema.UnmarshalJSON(strings.NewReader(schema))
	require.NoError(t, err)
	compiler := jsonschema.NewCompiler()
	require.NoError(t, compiler.AddResource("keystore.json", s))
	compiled, err := compiler.Compile("keystore.json")
	require.NoError(t, err)
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	require.NoError(t, err)
	require.NoError(t, compiled.Validate(parsed))
}

func number(c *ca.Certificate) string { return new(big.Int).SetBytes(c.Serial[:]).String() }

func TestKeystore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", nil)
	ctx := context.Background()
	var b bytes.Buffer
	n, err := w.ExportKeystore(ctx, &b, repository.KeystoreFilter{})
	require.NoError(t, err)
	require.Zero(t, n)
	require.JSONEq(t, "{}", b.String())

	party, device := w.entity(), w.entity()
	supplier := w.organisation(t, party, policy.RoleSupplier, policy.UsageDigitalSignature)
	meter := w.device(t, device, policy.UsageKeyAgreement)
	w.device(t, device, policy.UsageDigitalSignature)
	gone := w.device(t, device, policy.UsageDigitalSignature)
	w.revoke(t, gone)

	b.Reset()
	n, err = w.ExportKeystore(ctx, &b, repository.KeystoreFilter{})
	require.NoError(t, err)
	require.EqualValues(t, 4, n)
	fits(t, b.Bytes())
	require.NotContains(t, b.String(), "privateKey", "not even an empty one")
	require.NotContains(t, b.String(), "PRIVATE KEY")
	type entry struct {
		Certificate, Name string
		Role              *int
	}
	var got map[string]map[string]map[string]entry
	require.NoError(t, json.Unmarshal(b.Bytes(), &got))
	found := got[party.Hex()]["digitalSignature"][number(supplier)]
	require.Equal(t, 2, *found.Role)
	require.Equal(t, party.Hex()+"-X1-supplier-ds", found.Name)
	block, _ := pem.Decode([]byte(found.Certificate))
	require.Equal(t, supplier.DER, block.Bytes)
	require.Nil(t, got[device.Hex()]["keyAgreement"][number(meter)].Role, "a role is what tells an organisation from a device")
	require.Len(t, got[device.Hex()]["digitalSignature"], 2)

	// What was written is read as what it is.
	var statuses []string
	report, err := w.CompareKeystore(ctx, &b, func(f repository.Finding) error {
		require.Equal(t, repository.Same, f.Difference)
		statuses = append(statuses, string(f.Status))
		return nil
	})
	require.NoError(t, err)
	require.Equal(t, repository.Comparison{Entities: 2, Entries: 4, Differences: map[repository.Difference]int{repository.Same: 4}}, report)
	require.ElementsMatch(t, []string{"I", "I", "I", "R"}, statuses)

	for _, row := range []struct {
		says   string
		filter repository.KeystoreFilter
		want   int64
	}{
		{"what is in use", repository.KeystoreFilter{InUse: true}, 3},
		{"organisations", repository.KeystoreFilter{Profile: policy.ProfileOrganisation}, 1},
		{"one entity", repository.KeystoreFilter{Entities: []policy.EntityID{device, device}}, 3},
		{"nobody", repository.KeystoreFilter{Entities: []policy.EntityID{{1}}}, 0},
	} {
		b.Reset()
		n, err := w.ExportKeystore(ctx, &b, row.filter)
		require.NoError(t, err)
		require.Equal(t, row.want, n, row.says)
		fits(t, b.Bytes())
	}
}

// The order of entities is read page by page; a page's end is no gap.
func TestKeystoreOfManyPages(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", nil)
	ctx := context.Background()
	const many = 1050
	var requests []ca.Request
	key := func() ca.Request {
		return ca.Request{DER: policytest.DeviceRequest(t, policytest.NewKey(t), w.entity(), policy.UsageDigitalSignature), Requester: "test"}
	}
	for range many {
		requests = append(requests, key())
	}
	for len(requests) > 0 {
		n := min(len(requests), ca.MaxBatch)
		_, err := w.issuer.IssueBatch(ctx, requests[:n])
		require.NoError(t, err)
		requests = requests[n:]
	}
	var b bytes.Buffer
	n, err := w.ExportKeystore(ctx, &b, repository.KeystoreFilter{})
	require.NoError(t, err)
	require.EqualValues(t, many, n)
	report, err := w.CompareKeystore(ctx, &b, nil)
	require.NoError(t, err)
	require.Equal(t, map[repository.Difference]int{repository.Same: many}, report.Differences)

	f, err := w.Publish(ctx, repository.Publication{Kind: repository.FullFile, By: "officer-1"})
	require.NoError(t, err)
	require.Len(t, read(t, w.path(f)).serials, many)
}

func TestCompareKeystore(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", nil)
	ours := w.device(t, w.entity(), policy.UsageDigitalSignature)
	cert, err := ours.Parse()
	require.NoError(t, err)
	stranger, _ := policytest.NewHierarchy(t).Device(t, w.entity(), policy.UsageKeyAgreement)
	id, _ := stranger.EntityID()
	theirs := new(big.Int).SetBytes(stranger.Serial[:]).String()
	secret := "-----BEGIN PRIVATE KEY-----\nTUlHSEFnRUFNQk1HQnlx\n-----END PRIVATE KEY-----\n"
	entry := func(c *policy.Certificate, rest string) string {
		text, err := json.Marshal(string(c.PEM()))
		require.NoError(t, err)
		return `{"certificate": ` + string(text) + rest + `}`
	}
	document := func(entity, usage, serial, entry string) string {
		return fmt.Sprintf(`{%q: {%q: {%q: %s}}}`, entity, usage, serial, entry)
	}
	place := func(entry string) string {
		return document(ours.Entity.Hex(), "digitalSignature", number(ours), entry)
	}
	quoted, err := json.Marshal(secret)
	require.NoError(t, err)
	for _, row := range []struct {
		says, document string
		want           repository.Difference
	}{
		{"ours", place(entry(cert, "")), repository.Same},
		{"ours with a private key", place(entry(cert, `, "privateKey": `+string(quoted))), repository.Same},
		{"another CA's", document(id.Hex(), "keyAgreement", theirs, entry(stranger, `, "name": "x"`)), repository.Unknown},
		{"of another entity", document(id.Hex(), "digitalSignature", number(ours), entry(cert, "")), repository.Misplaced},
		{"for another use", document(ours.Entity.Hex(), "keyAgreement", number(ours), entry(cert, "")), repository.Misplaced},
		{"of another number", document(ours.Entity.Hex(), "digitalSignature", theirs, entry(cert, "")), repository.Misplaced},
		{"a device with a role", place(entry(cert, `, "role": 2`)), repository.Misplaced},
		{"only a key", place(`{"privateKey": ` + string(quoted) + `}`), repository.Bare},
		{"a key for a certificate", place(`{"certificate": ` + string(quoted) + `}`), repository.Unreadable},
		{"nonsense", place(`{"certificate": "x"}`), repository.Unreadable},
	} {
		var findings []repository.Finding
		report, err := w.CompareKeystore(context.Background(), strings.NewReader(row.document), func(f repository.Finding) error {
			findings = append(findings, f)
			return nil
		})
		require.NoError(t, err, row.says)
		require.Equal(t, map[repository.Difference]int{row.want: 1}, report.Differences, row.says)
		require.Equal(t, strings.Contains(row.document, "privateKey"), findings[0].PrivateKey, row.says)
		require.NotContains(t, fmt.Sprintf("%+v", findings), "TUlHSEFnRUFNQk1HQnlx", row.says)
	}

	for says, document := range map[string]string{
		"nothing":                ``,
		"a list":                 `[]`,
		"two documents":          `{}{}`,
		"an entity twice":        `{"90b3d51f40000001": {}, "90b3d51f40000001": {}}`,
		"another usage":          `{"90b3d51f40000001": {"certSign": {}}}`,
		"something else":         `{"90b3d51f40000001": {"digitalSignature": {"1": {"password": ` + string(quoted) + `}}}}`,
		"a key under a name":     `{"90b3d51f40000001": {"digitalSignature": {` + string(quoted) + `: 1}}}`,
		"a key in a list":        `{"90b3d51f40000001": {"digitalSignature": {"1": {"privateKey": [` + string(quoted) + `]}}}}`,
		"a key for a role":       `{"90b3d51f40000001": {"digitalSignature": {"1": {"role": ` + string(quoted) + `}}}}`,
		"a key for an entity":    `{` + string(quoted) + `: ` + string(quoted) + `}`,
		"a key twice":            `{"90b3d51f40000001": {` + string(quoted) + `: 1}}`,
		"ends too early":         `{"90b3d51f40000001": {"digitalSignature": {"1": {"privateKey": "TUlHSEFnRUFNQk1HQnlx`,
		"a name without measure": `{"` + strings.Repeat("9", 1000) + `": {}}`,
	} {
		_, err := w.CompareKeystore(context.Background(), strings.NewReader(document), nil)
		require.Error(t, err, says)
		require.NotContains(t, err.Error(), "TUlHSEFnRUFNQk1HQnlx", says)
	}
	require.NotContains(t, w.logged(), "TUlHSEFnRUFNQk1HQnlx")

	stop := errors.New("enough")
	_, err = w.CompareKeystore(context.Background(), strings.NewReader(place(entry(cert, ""))), func(repository.Finding) error { return stop })
	require.ErrorIs(t, err, stop)
}

func TestOrganisationsArchive(t *testing.T) {
	t.Parallel()
	w := newWorld(t, "exercise", nil)
	c := w.client(t)
	party := w.entity()
	first := w.organisation(t, party, policy.RoleSupplier, policy.UsageDigitalSignature)
	second := w.organisation(t, party, policy.RoleSupplier, policy.UsageDigitalSignature)
	w.organisation(t, party, policy.RoleSupplier, policy.UsageKeyAgreement)
	w.revoke(t, w.organisation(t, party, policy.RoleNetworkOperator, policy.UsageKeyAgreement))
	w.device(t, w.entity(), policy.UsageDigitalSignature)

	url := c.base + "assets/crypto/org-certs.zip"
	head, err := http.Head(url)
	require.NoError(t, err)
	require.NoError(t, head.Body.Close())
	answer, body := get(t, url)
	require.Equal(t, "application/zip", answer.Header.Get("Content-Type"))
	require.EqualValues(t, len(body), head.ContentLength, "the client asks for its length first")
	archive, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	var names []string
	for _, f := range archive.File {
		names = append(names, f.Name)
		in, err := f.Open()
		require.NoError(t, err)
		var text bytes.Buffer
		_, err = text.ReadFrom(in)
		require.NoError(t, err)
		block, rest := pem.Decode(text.Bytes())
		require.Equal(t, "CERTIFICATE", block.Type)
		require.Empty(t, rest)
	}
	stem := "cert/" + party.Hex() + "-X1-supplier-"
	require.Equal(t, []string{stem + "ds.pem", stem + "ds-" + strings.ToLower(second.Serial.String()) + ".pem", stem + "ka.pem"}, names)
	again, _ := get(t, url, "If-None-Match", answer.Header.Get("ETag"))
	require.Equal(t, http.StatusNotModified, again.StatusCode)

	// What is revoked is gone from it when it may no longer be cached.
	w.revoke(t, first)
	w.pass(5 * time.Minute)
	_, body = get(t, url)
	archive, err = zip.NewReader(bytes.NewReader(body), int64(len(body)))
	require.NoError(t, err)
	require.Len(t, archive.File, 2)
}

// Neither of these may look at every certificate there is.
func TestPlansOfQueries(t *testing.T) {
	t.Parallel()
	if storetest.OnPostgres() {
		return // which plans by what is in the tables
	}
	w := newWorld(t, "exercise", nil)
	plan, err := repository.PlanOfFew(context.Background(), w.store)
	require.NoError(t, err)
	require.Contains(t, plan, "certificate_few")
	plan, err = repository.PlanByEntity(context.Background(), w.store)
	require.NoError(t, err)
	require.Contains(t, plan, "certificate_entity")
	require.NotContains(t, plan, "TEMP B-TREE")
}
