package policy_test

import (
	"encoding/base64"
	"encoding/pem"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/policy"
	"smki.example/policy/policytest"
)

// wrap breaks text into lines.
func wrap(text string, width int, end string) string {
	var b strings.Builder
	for len(text) > width {
		b.WriteString(text[:width] + end)
		text = text[width:]
	}
	return b.String() + text
}

func TestDecodePEMOrBase64(t *testing.T) {
	t.Parallel()
	der := policytest.DeviceRequest(t, policytest.NewKey(t), supplierID, policy.UsageKeyAgreement)
	text := base64.StdEncoding.EncodeToString(der)
	block := func(label, body, end string) string {
		return "-----BEGIN " + label + "-----" + end + body + end + "-----END " + label + "-----" + end
	}
	const csr = "CERTIFICATE REQUEST"
	good := map[string]string{
		"DER":                       string(der),
		"one line":                  text,
		"one line and a line end":   text + "\n",
		"one line and CRLF":         text + "\r\n",
		"lines of 64":               wrap(text, 64, "\n") + "\n",
		"lines of 76":               wrap(text, 76, "\n"),
		"lines of 64, CRLF":         wrap(text, 64, "\r\n") + "\r\n",
		"lines of 76, CRLF":         wrap(text, 76, "\r\n") + "\r\n",
		"PEM":                       string(pem.EncodeToMemory(&pem.Block{Type: csr, Bytes: der})),
		"PEM NEW":                   string(pem.EncodeToMemory(&pem.Block{Type: "NEW " + csr, Bytes: der})),
		"PEM, CRLF":                 block(csr, wrap(text, 64, "\r\n"), "\r\n"),
		"PEM, lines of 76":          block(csr, wrap(text, 76, "\n"), "\n"),
		"PEM, one line":             block(csr, text, "\n"),
		"PEM without last line end": strings.TrimSuffix(block(csr, text, "\n"), "\n"),
	}
	for name, in := range good {
		got, err := policy.DecodePEMOrBase64([]byte(in), "a.csr")
		require.NoError(t, err, name)
		require.Equal(t, der, got, name)
	}
	padded := base64.StdEncoding.EncodeToString([]byte{0x30, 2, 5, 0})
	for name, in := range map[string]string{
		"nothing":                    "",
		"line ends only":             "\n\n",
		"another label":              block("CERTIFICATE", text, "\n"),
		"labels that differ":         strings.Replace(block(csr, text, "\n"), "-----BEGIN ", "-----BEGIN NEW ", 1),
		"no end":                     "-----BEGIN CERTIFICATE REQUEST-----\n" + text,
		"no body":                    block(csr, "", "\n"),
		"two requests":               block(csr, text, "\n") + block(csr, text, "\n"),
		"two base64 texts":           text + "\n\n" + text,
		"words after it":             block(csr, text, "\n") + "hello\n",
		"words before it":            "hello\n" + block(csr, text, "\n"),
		"PEM headers":                block(csr, "Proc-Type: 4,ENCRYPTED\n\n"+text, "\n"),
		"lines of 60":                wrap(text, 60, "\n"),
		"lines that differ":          text[:64] + "\n" + text[64:100] + "\n" + text[100:],
		"a last line that is longer": text[:64] + "\n" + text[64:],
		"spaces":                     " " + text,
		"a tab at the end":           text + "\t",
		"base64url":                  strings.NewReplacer("+", "-", "/", "_").Replace("MD+/"),
		"no padding":                 strings.TrimRight(padded, "="),
		"bits in the padding":        strings.TrimRight(padded, "=")[:5] + "B==",
		"text after padding":         padded + padded,
		"base64 of something else":   base64.StdEncoding.EncodeToString([]byte("hello")),
		"NUL":                        text + "\x00",
		"UTF-8":                      "é" + text,
		"a byte order mark":          "\xef\xbb\xbf" + text,
		"far too long":               strings.Repeat("A", 1<<20),
	} {
		_, err := policy.DecodePEMOrBase64([]byte(in), "a.csr")
		var v *policy.Violation
		require.True(t, errors.As(err, &v), name)
		require.Equal(t, "encoding", v.Rule, name)
		require.True(t, strings.HasPrefix(err.Error(), "a.csr: want "), name)
		require.NotContains(t, err.Error(), "\n", name)
	}
}
