package main

import (
	"archive/zip"
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca/iki"
	"smki.example/ca/smkiws"
	"smki.example/ca/store/storetest"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

// A batch whose stored octets are changed between its upload and its parse is TAMPERED,
// and nothing of it is issued, though the registration authority has released it.
func TestServeTampered(t *testing.T) {
	t.Parallel()
	for name, address := range map[string]func(testing.TB) string{"SQLite": nil, "PostgreSQL": storetest.Postgres} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var more []string
			if address != nil {
				more = []string{"--store", address(t)}
			}
			home, a := newAuthorityAt(t, more...)
			a.supplier(t)
			a.system(t, "batched-a")
			system := newHolder(t, home, "Exercise Supplier A", "batched-a", policy.RoleSupplier, iki.Batched)
			a.known(t, "batched-a", system)
			s := serveHome(t, home)
			c := s.client(t, system)
			changed, whole := s.submit(t, c, 3), s.submit(t, c, 3)
			// One request is put in another's place: the document is as valid as before.
			storetest.Tamper(t, a.store, `UPDATE smkiws_upload SET octets = $1 WHERE upload = (SELECT upload FROM smkiws_batch WHERE id = $2)`, []byte(batchXML(t, 3)), changed)
			for _, id := range []string{changed, whole} {
				a.agree(t, a.batchApproval(t, id), "manager-1")
			}
			require.Empty(t, s.result(t, c, changed, "TAMPERED").Certificate)
			require.Len(t, s.result(t, c, whole, "COMPLETED").Certificate, 3)
			require.Equal(t, clikit.Done, s.stop())
			code, out, errs := smki(t, "list", "--home", home, "--type", "device")
			require.Equal(t, clikit.Done, code, errs)
			require.Equal(t, 3, strings.Count(out, "\n"))
			require.Contains(t, s.log.String(), "batch tampered with")
		})
	}
}

// archiveOf is an archive whose files have given headers and contents.
func archiveOf(t *testing.T, fill func(z *zip.Writer)) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	fill(z)
	require.NoError(t, z.Close())
	return b.String()
}

// Documents and archives that are made to hurt are refused over the network as what they
// are, quickly and one by one; nothing of them is kept, and the server goes on.
func TestServeHostile(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	s := serveHome(t, home)
	single := s.client(t, newHolder(t, home, "Exercise Supplier A", "adhoc-1", policy.RoleSupplier, iki.AdHoc))
	batched := s.client(t, newHolder(t, home, "Exercise Supplier A", "batched-1", policy.RoleSupplier, iki.Batched))
	portal := s.client(t, newHolder(t, home, "Exercise Supplier A", "aro-1", policy.RoleSupplier, iki.PortalDevice))
	csr := deviceRequest(t, nextEntity())
	laughs := `<?xml version="1.0" encoding="utf-8"?><!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>`
	for name, document := range map[string]func(root, element string) string{
		"entities that grow":     func(root, element string) string { return laughs + `<` + root + ` ID="a">&b;</` + root + `>` },
		"a file of the server":   func(root, _ string) string { return `<!DOCTYPE x SYSTEM "file:///etc/passwd"><` + root + ` ID="a"/>` },
		"an entity of nobody's":  func(root, _ string) string { return `<` + root + ` ID="a"><Version>&x;</Version></` + root + `>` },
		"nested for ever":        func(root, _ string) string { return `<` + root + ` ID="a">` + strings.Repeat("<a>", 15000) },
		"an attribute of 60 KiB": func(root, _ string) string { return `<` + root + ` ID="` + strings.Repeat("a", 60<<10) + `"/>` },
		"many attributes": func(root, _ string) string {
			var b strings.Builder
			for n := range 4000 {
				fmt.Fprintf(&b, ` a%d="b"`, n)
			}
			return `<` + root + b.String() + `/>`
		},
		"UTF-16": func(root, _ string) string { return "\xff\xfe<\x00" + root },
		"a wrong declaration": func(root, _ string) string {
			return `<?xml version="1.0" encoding="iso-8859-1"?><` + root + ` ID="a"/>`
		},
		"bytes that are none": func(root, _ string) string { return `<` + root + " ID=\"\xc3\x28\"/>" },
		"a NUL":               func(root, _ string) string { return `<` + root + " ID=\"a\x00\"/>" },
		"nothing":             func(string, string) string { return " " },
	} {
		status, text := call(t, single, "POST", s.secure+smkiws.DefaultAdHocPath, document("DeviceCertificateSigningRequest", "CertificateSigningRequest"))
		require.Equal(t, http.StatusOK, status, name)
		var one adHocAnswer
		require.NoError(t, xml.Unmarshal([]byte(text), &one), name)
		require.Equal(t, "FORMAT_ERROR", one.Status, name)
		status, text = call(t, batched, "POST", s.secure+smkiws.SubmitPath, document("SubmitCSRBatch", "DeviceCSR"))
		require.Equal(t, http.StatusOK, status, name)
		var many batchAnswer
		require.NoError(t, xml.Unmarshal([]byte(text), &many), name)
		require.Equal(t, "FORMAT_ERROR", many.Status, name)
		require.Empty(t, many.ID, name)
	}
	create := func(z *zip.Writer, name, content string) {
		w, err := z.Create(name)
		require.NoError(t, err)
		_, err = w.Write([]byte(content))
		require.NoError(t, err)
	}
	for name, body := range map[string]string{
		"a bomb":             archiveOf(t, func(z *zip.Writer) { create(z, "a.csr", strings.Repeat("A", 15<<10)) }),
		"a large file":       archiveOf(t, func(z *zip.Writer) { create(z, "a.csr", strings.Repeat("A", 40<<20)) }),
		"a path":             archiveOf(t, func(z *zip.Writer) { create(z, "../../a.csr", csr) }),
		"an absolute path":   archiveOf(t, func(z *zip.Writer) { create(z, "/etc/a.csr", csr) }),
		"a path of Windows":  archiveOf(t, func(z *zip.Writer) { create(z, `c:\a.csr`, csr) }),
		"a folder":           archiveOf(t, func(z *zip.Writer) { create(z, "a/", "") }),
		"twice the same":     archiveOf(t, func(z *zip.Writer) { create(z, "a.csr", csr); create(z, "a.csr", csr) }),
		"another extension":  archiveOf(t, func(z *zip.Writer) { create(z, "a.txt", csr) }),
		"50,001 files":       archiveOf(t, func(z *zip.Writer) { each(50001, func(n int) { create(z, fmt.Sprintf("%d.csr", n), "x") }) }),
		"an archive within":  archiveOf(t, func(z *zip.Writer) { create(z, "a.zip", archiveOf(t, func(*zip.Writer) {})) }),
		"a symbolic link":    archiveOf(t, func(z *zip.Writer) { link(t, z, "a.csr", "/etc/passwd") }),
		"nothing in it":      archiveOf(t, func(*zip.Writer) {}),
		"something after it": archiveOf(t, func(z *zip.Writer) { create(z, "a.csr", csr) }) + "more",
		"no archive":         "PK\x03\x04",
	} {
		request, err := http.NewRequest("POST", s.secure+smkiws.PortalPath+"?name=a.zip", strings.NewReader(body))
		require.NoError(t, err)
		request.Header.Set("Content-Type", "application/zip")
		answer, err := portal.Do(request)
		require.NoError(t, err, name)
		answer.Body.Close()
		require.Equal(t, http.StatusUnprocessableEntity, answer.StatusCode, name)
	}
	request, err := http.NewRequest("POST", s.secure+smkiws.SubmitPath, strings.NewReader("x"))
	require.NoError(t, err)
	request.Header.Set("Content-Encoding", "gzip")
	answer, err := batched.Do(request)
	require.NoError(t, err)
	answer.Body.Close()
	require.Equal(t, http.StatusUnsupportedMediaType, answer.StatusCode)

	// Base64 that is none spoils its own request alone; and everybody else is served.
	status, text := call(t, batched, "POST", s.secure+smkiws.SubmitPath, `<SubmitCSRBatch ID="b"><Version>1.0</Version><DeviceCSR ID="a">`+csr+`</DeviceCSR><DeviceCSR ID="b">`+
		base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0x30, 0x80}, 2000))+`</DeviceCSR></SubmitCSRBatch>`)
	require.Equal(t, http.StatusOK, status)
	var accepted batchAnswer
	require.NoError(t, xml.Unmarshal([]byte(text), &accepted))
	require.Equal(t, "1", accepted.ID, "nothing was kept of all the others")
	got := s.result(t, batched, accepted.ID, "COMPLETED")
	require.Equal(t, "SUCCESS", got.Certificate[0].Status)
	require.Equal(t, "CSR_ERROR", got.Certificate[1].Status)
	require.Equal(t, clikit.Done, s.stop())
	require.NotContains(t, s.log.String(), `"level":"ERROR"`)
}

// Whoever sends a document that is far too long over HTTP/2 has it taken off his hands
// before the answer ends the stream, and hears that the format is wrong.
func TestServeOversized(t *testing.T) {
	t.Parallel()
	home := newHome(t)
	s := serveHome(t, home)
	for path, i := range map[string]iki.Interface{smkiws.DefaultAdHocPath: iki.AdHoc, smkiws.SubmitPath: iki.Batched} {
		c := s.client(t, newHolder(t, home, "Exercise Supplier A", string(i)+"-1", policy.RoleSupplier, i))
		c.Transport.(*http.Transport).ForceAttemptHTTP2 = true
		for _, text := range []string{strings.Repeat("A", 3<<20), strings.Repeat("<a>", 200_000), "<SubmitCSRBatch>" + strings.Repeat("<a>", 10_000_000)} {
			body := strings.NewReader(text)
			request, err := http.NewRequest("POST", s.secure+path, io.NopCloser(body))
			require.NoError(t, err)
			request.ContentLength = int64(len(text))
			request.Header.Set("Content-Type", "application/xml")
			answer, err := c.Do(request)
			require.NoError(t, err)
			said, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			require.NoError(t, err)
			require.Equal(t, 2, answer.ProtoMajor)
			require.Equal(t, http.StatusOK, answer.StatusCode)
			require.Contains(t, string(said), "FORMAT_ERROR")
			require.Zero(t, body.Len(), "the stream ended before the document was sent")
		}
	}
	require.Equal(t, clikit.Done, s.stop())
}

func each(n int, f func(int)) {
	for k := range n {
		f(k)
	}
}

// link puts a symbolic link into an archive.
func link(t *testing.T, z *zip.Writer, name, to string) {
	t.Helper()
	header := &zip.FileHeader{Name: name}
	header.SetMode(fs.ModeSymlink | 0o777)
	w, err := z.CreateHeader(header)
	require.NoError(t, err)
	_, err = w.Write([]byte(to))
	require.NoError(t, err)
}
