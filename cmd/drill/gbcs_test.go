package main

import (
	"bytes"
	"context"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
	"smki.example/policy/policytest"
)

// runGBCS runs drill gbcs with the arguments and returns exit code and outputs.
func runGBCS(t *testing.T, stdin string, args ...string) (code clikit.Code, out, errs string) {
	t.Helper()
	var o, e bytes.Buffer
	app := &cli.App{Name: "drill", Reader: strings.NewReader(stdin), Writer: &o, ErrWriter: &e, Commands: []*cli.Command{gbcsCommand()}}
	code = clikit.Run(context.Background(), app, append([]string{"drill", "gbcs"}, args...))
	return code, o.String(), e.String()
}

const sampleMessages = "../../drills/gbcs/testdata/messages"

func sampleFile(name string) string { return filepath.Join(sampleMessages, name+".hex") }

// Without keys a message is read, and what cannot be checked is no fault.
func TestGBCSDecode(t *testing.T) {
	t.Parallel()
	code, out, errs := runGBCS(t, "", "decode", sampleFile("supplierBySupplier-future-dated"))
	require.Equal(t, clikit.Done, code, errs)
	for _, want := range []string{
		"CS02b command, Update Security Credentials, supplierBySupplier",
		"DD: MAC header, signature, MAC",
		"authorisingRemotePartyTACellIdentifier: supplier digitalSignature",
		"supplier keyAgreement prePaymentTopUp <- 02-00-00-00-00-00-00-02 supplier, keyAgreement",
		"executionDateTime: 20310203040506Z",
		"signature: not checked, no certificate of 02-00-00-00-00-00-00-02",
		"MAC:       not checked",
		"findings:",
	} {
		require.Contains(t, out, want)
	}
	require.Empty(t, errs)

	code, out, _ = runGBCS(t, "", "decode", sampleFile("supplierBySupplier-alert"))
	require.Equal(t, clikit.Done, code)
	require.Contains(t, out, "alertMeaning: future dated command not actioned")
	require.Contains(t, out, "noTrustAnchor (10)")
}

// Every kind of message is shown, for people and for programs.
func TestGBCSDecodeAll(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob(filepath.Join(sampleMessages, "*.hex"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	code, out, errs := runGBCS(t, "", append([]string{"decode", "--json"}, files...)...)
	require.Equal(t, clikit.Done, code, errs)
	var all []map[string]any
	require.NoError(t, json.Unmarshal([]byte(out), &all))
	require.Len(t, all, len(files))
	for i, m := range all {
		require.Equal(t, files[i], m["file"])
		for _, name := range []string{"wrapper", "header", "payload", "signature", "mac"} {
			require.IsType(t, map[string]any{}, m[name], "%s: %s", files[i], name)
		}
		require.IsType(t, []any{}, m["findings"])
		require.NotEmpty(t, m["useCase"])
	}
	code, out, errs = runGBCS(t, "", append([]string{"decode"}, files...)...)
	require.Equal(t, clikit.Done, code, errs)
	require.NotContains(t, out, "%!")
}

// One file is one document; flags may follow it; the hex may come from anywhere
// and look as it likes.
func TestGBCSDecodeJSON(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile(sampleFile("CS02d-error"))
	require.NoError(t, err)
	loose := "\n 0X" + strings.ToUpper(string(text[:40])) + " \r\n\t" + string(text[40:]) + "\n"
	code, out, errs := runGBCS(t, loose, "decode", "-", "--json")
	require.Equal(t, clikit.Done, code, errs)
	var m struct {
		File, UseCase, Kind string
		Wrapper             struct {
			Tag             string
			MAC, Precommand bool
			SignatureOctets int
		}
		Payload struct {
			Type   string
			Result struct {
				Value int
				Name  string
			}
		}
		Signature, MAC struct{ Verdict, Reason string }
	}
	require.NoError(t, json.Unmarshal([]byte(out), &m))
	require.Equal(t, "-", m.File)
	require.Equal(t, "CS02d", m.UseCase)
	require.Equal(t, "response", m.Kind)
	require.Equal(t, "DF", m.Wrapper.Tag)
	require.Equal(t, 64, m.Wrapper.SignatureOctets)
	require.Equal(t, "UpdateDeviceCertificateResponse", m.Payload.Type)
	require.Equal(t, 5, m.Payload.Result.Value)
	require.Equal(t, "wrongPublicKey", m.Payload.Result.Name)
	require.Equal(t, "notChecked", m.Signature.Verdict)
	require.Equal(t, "none", m.MAC.Verdict)
}

// What is wrong ends with exit code 1, wrong usage with 2.
func TestGBCSExitCodes(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	write := func(name, text string) string {
		file := filepath.Join(dir, name)
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
		return file
	}
	good := sampleFile("CS02c-command")
	rows := []struct {
		name string
		args []string
		code clikit.Code
		want string // on either output
	}{
		{"no file", []string{"decode"}, clikit.Usage, "FILE.hex"},
		{"unknown flag", []string{"decode", "--cert", dir, good}, clikit.Usage, "--certs"},
		{"no such folder", []string{"decode", "--certs", filepath.Join(dir, "none"), good}, clikit.Usage, "--certs"},
		{"no such secrets", []string{"decode", "--secrets", filepath.Join(dir, "none"), good}, clikit.Usage, "--secrets"},
		{"no such file", []string{"decode", filepath.Join(dir, "none.hex"), good}, clikit.Failed, "UNREADABLE"},
		{"not hex", []string{"decode", write("nothex", "DF 09 zz")}, clikit.Failed, `'z' at offset 6`},
		{"odd number of digits", []string{"decode", write("odd", "DF0")}, clikit.Failed, "odd number"},
		{"empty", []string{"decode", write("empty", " \n")}, clikit.Failed, "no hex digits"},
		{"no message", []string{"decode", write("nomessage", "DF0900")}, clikit.Failed, "UNREADABLE"},
		{"no message, as JSON", []string{"decode", "--json", filepath.Join(dir, "nomessage")}, clikit.Failed, `"error"`},
		{"roundtrip of a message", []string{"roundtrip", good}, clikit.Done, "equal"},
		{"roundtrip of a use case that is not ours", []string{"roundtrip", sampleFile("a-use-case-that-is-not-ours")}, clikit.Done, "kept as received"},
		{"roundtrip of none", []string{"roundtrip", filepath.Join(dir, "nomessage")}, clikit.Failed, "decoding a message"},
		{"roundtrip of none, as JSON", []string{"roundtrip", "--json", filepath.Join(dir, "nomessage")}, clikit.Failed, `"equal": false`},
		{"payload that cannot be read", []string{"decode", write("malformed", "DF0901000000000000000108020000000000000208020000000000000000"+"02000A"+"023080"+"00")}, clikit.Failed, "malformedPayload"},
	}
	for _, row := range rows {
		code, out, errs := runGBCS(t, "", row.args...)
		require.Equal(t, row.code, code, "%s: %s%s", row.name, out, errs)
		require.Contains(t, out+errs, row.want, row.name)
	}
}

// The public messages, as a stranger would check them: a signature or MAC that
// is there is valid, and one bit turned makes it wrong.
func TestGBCSVectors(t *testing.T) {
	t.Parallel()
	dir := policytest.Vectors(t)
	files, err := filepath.Glob(filepath.Join(dir, "rtds", "*.HEX"))
	require.NoError(t, err)
	require.NotEmpty(t, files)
	certs := filepath.Join(dir, "certs")
	code, out, errs := runGBCS(t, "", append(files, "decode", "--certs", certs)...)
	require.Equal(t, clikit.Usage, code, "the command comes first: %s%s", out, errs)
	code, out, errs = runGBCS(t, "", append([]string{"roundtrip"}, files...)...)
	require.Equal(t, clikit.Done, code, out+errs)
	require.Equal(t, len(files), strings.Count(out, ": equal, "))
	require.NotContains(t, out, "kept as received")

	for _, file := range files {
		text, err := os.ReadFile(file)
		require.NoError(t, err)
		octets, err := hex.DecodeString(strings.TrimSpace(string(text)))
		require.NoError(t, err)
		verdicts := func(b []byte) (clikit.Code, string, string) {
			code, out, errs := runGBCS(t, hex.EncodeToString(b), "decode", "-", "--certs", certs, "--json")
			require.Empty(t, errs)
			var m struct {
				Signature, MAC struct{ Verdict string }
			}
			require.NoError(t, json.Unmarshal([]byte(out), &m))
			return code, m.Signature.Verdict, m.MAC.Verdict
		}
		code, signature, mac := verdicts(octets)
		require.Equal(t, clikit.Done, code, file)
		require.Contains(t, []string{"valid", "none"}, signature, file)
		require.Contains(t, []string{"valid", "none"}, mac, file)
		if signature == "none" && mac == "none" {
			continue
		}
		octets[len(octets)-1] ^= 1
		code, signature, mac = verdicts(octets)
		require.Equal(t, clikit.Failed, code, file)
		require.True(t, signature == "wrong" || mac == "wrong", file)
	}
}
