package gbcs_test

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

func octets(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	require.NoError(t, err)
	return b
}

const (
	// head is a command from 02…02 to 02…D0 with counter 1, up to its date-time.
	head = "DF 09 01 0000000000000001 08 0200000000000002 08 02000000000000D0 "
	// issueDS is the rest of a CS02c command, up to its payload's end.
	issueDS   = "00 02 000A 06 3004 03020780 "
	signature = "40 00000000000000000000000000000000000000000000000000000000000000010000000000000000000000000000000000000000000000000000000000000001"
)

// The wrapper is read strictly: each row departs from it in one way.
func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	rows := []struct{ name, text, want string }{
		{"nothing", "", "empty"},
		{"another tag", "DE 09", "neither DF nor DD"},
		{"DF alone", "DF", "ends inside"},
		{"transaction-id of another length", strings.Replace(head, "DF 09", "DF 08", 1) + issueDS, "transaction-id"},
		{"CRA flag 0", strings.Replace(head, "09 01", "09 00", 1) + issueDS, "CRA flag"},
		{"CRA flag 4", strings.Replace(head, "09 01", "09 04", 1) + issueDS, "CRA flag"},
		{"originator of another length", strings.Replace(head, "01 08 02", "01 07 02", 1) + issueDS, "originator"},
		{"recipient of another length", strings.Replace(head, "02 08 02", "02 09 02", 1) + issueDS, "recipient"},
		{"date-time of 11 octets", head + "0B 07DF0101FF000000008000 02 000A 06 3004 03020780", "date-time"},
		{"no room for a message code", head + "00 01 00 06 3004 03020780", "message code"},
		{"content longer than the message", head + "00 02 000A 07 3004 03020780", "content"},
		{"content with a needless length octet", head + "00 02 000A 81 06 3004 03020780 " + signature, "shortest form"},
		{"content with two needless length octets", head + "00 02 000A 82 00 06 3004 03020780 " + signature, "shortest form"},
		{"length octet 80", head + "00 02 000A 80", "length octet 80"},
		{"length octet 84", head + "00 02 000A 84 00000006", "length octet 84"},
		{"a length that is cut off", head + "00 02 000A 82 01", "ends inside a length"},
		{"signature of 63 octets", head + issueDS + "3F" + strings.Repeat("01", 63), "signature"},
		{"signature that is cut off", head + issueDS + "40" + strings.Repeat("01", 63), "signature"},
		{"octet after the signature", head + issueDS + signature + "00", "signature"},
		{"octet after a signature of length 0", head + issueDS + "00 00", "signature of length 0"},
		{"response without signature octet", strings.Replace(head, "09 01", "09 02", 1) + issueDS, "signature is due"},
		{"MAC header with a field that is not empty", "DD 000000000001 " + "40", "six empty fields"},
		{"MAC header of a wrong length", "DD 000000000000 30 1100000000" + head + issueDS + "00" + strings.Repeat("AA", 12), "MAC header"},
		{"MAC header too short for a MAC", "DD 000000000000 05 1100000000", "too few for a MAC"},
		{"another security control", "DD 000000000000 3A 3100000000" + head + issueDS + "00" + strings.Repeat("AA", 12), "security control"},
		{"invocation counter that is not 0", "DD 000000000000 3A 1100000001" + head + issueDS + "00" + strings.Repeat("AA", 12), "security control"},
		{"MAC header around no DF", "DD 000000000000 12 1100000000 DE" + strings.Repeat("AA", 12), "begin with DF"},
		{"MAC header around a pre-command", "DD 000000000000 39 1100000000" + head + issueDS + strings.Repeat("AA", 12), "signature is due"},
	}
	for _, row := range rows {
		m, err := gbcs.Decode(octets(t, row.text))
		require.Nil(t, m, row.name)
		require.ErrorContains(t, err, row.want, row.name)
	}
	_, err := gbcs.Decode(make([]byte, gbcs.MaxMessage+1))
	require.ErrorContains(t, err, "more than a message can have")
}

// The rows above depart from messages that are read.
func TestDecodeAccepts(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		head + issueDS,
		head + issueDS + "00",
		head + issueDS + signature,
		"DD 000000000000 3A 1100000000" + head + issueDS + "00" + strings.Repeat("AA", 12),
	} {
		m, err := gbcs.Decode(octets(t, text))
		require.NoError(t, err, text)
		require.Equal(t, &gbcs.IssueCredentials{Usage: policy.UsageDigitalSignature}, m.Payload)
		again, err := m.Encode()
		require.NoError(t, err)
		require.Equal(t, octets(t, text), again)
	}
}

// Decode keeps a copy: the caller may write over what it gave.
func TestDecodeCopies(t *testing.T) {
	t.Parallel()
	given := octets(t, head+issueDS+signature)
	m, err := gbcs.Decode(given)
	require.NoError(t, err)
	want := bytes.Clone(given)
	clear(given)
	again, err := m.Encode()
	require.NoError(t, err)
	require.Equal(t, want, again)
}

// Other-information of other use cases, by length.
func TestSupplementary(t *testing.T) {
	t.Parallel()
	party := "0200000000000007"
	rows := []struct {
		name, other                         string
		hasParty, hasCounter, hasOriginator bool
		certificate                         int
		finding                             bool
	}{
		{name: "message code alone", other: "02 0023"},
		{name: "party", other: "0A 0023" + party, hasParty: true},
		{name: "party and counter", other: "12 0023" + party + "0000000000000005", hasParty: true, hasCounter: true},
		{name: "originator counter too", other: "1A 0023" + party + "00000000000000050000000000000006", hasParty: true, hasCounter: true, hasOriginator: true},
		{name: "a certificate", other: "34 0023" + party + "0000000000000005" + "3020" + strings.Repeat("AB", 32), hasParty: true, hasCounter: true, certificate: 34},
		{name: "a length that nothing has", other: "05 0023 010203", finding: true},
	}
	for _, row := range rows {
		t.Run(row.name, func(t *testing.T) {
			given := octets(t, head+"00"+row.other+"03 C00102"+signature)
			m, err := gbcs.Decode(given)
			require.NoError(t, err)
			require.Equal(t, gbcs.Opaque{Octets: []byte{0xC0, 1, 2}}, m.Payload)
			require.NoError(t, m.Malformed())
			again, err := m.Encode()
			require.NoError(t, err)
			require.Equal(t, given, again)

			id, hasParty, counterValue, hasCounter := m.Header.SupplementaryParty()
			require.Equal(t, row.hasParty, hasParty)
			require.Equal(t, row.hasParty, id == entity(7))
			require.Equal(t, row.hasCounter, hasCounter)
			require.Equal(t, row.hasCounter, counterValue == 5)
			originator, hasOriginator, certificate := m.Header.SupplementaryOriginator()
			require.Equal(t, row.hasOriginator, hasOriginator)
			require.Equal(t, row.hasOriginator, originator == 6)
			require.Len(t, certificate, row.certificate)
			codes := codesOf(m.Check())
			require.Contains(t, codes, gbcs.FindingUnknownUseCase)
			require.Equal(t, row.finding, codes[gbcs.FindingOtherInformation])
		})
	}
}

func codesOf(list []gbcs.Finding) map[string]bool {
	codes := map[string]bool{}
	for _, f := range list {
		codes[f.Code] = true
	}
	return codes
}

// A payload in neither known form is read and written back as it came.
func TestPayloadAsReceived(t *testing.T) {
	t.Parallel()
	update := func(control string) string {
		return "30" + lengthOf("30"+lengthOf(control)+"3000 3000")
	}
	for name, payload := range map[string]string{
		"length below 128 with two octets":   "30 81 04 03020780",
		"length below 128 with three octets": "30 82 0004 03020780",
	} {
		given := octets(t, head+"00 02 000A"+lengthOf(payload)+signature)
		m, err := gbcs.Decode(given)
		require.NoError(t, err, name)
		require.Equal(t, &gbcs.IssueCredentials{Usage: policy.UsageDigitalSignature}, m.Payload, name)
		requireAsReceived(t, name, m, given)
	}
	for name, control := range map[string]string{
		"default of the time checks": "020102 810100 A207020102 03020780 830101",
		"default of the cell usage":  "020102 A20A020102 03020780 020100 830101",
	} {
		given := octets(t, head+"00 02 0102"+lengthOf(update(control))+signature)
		m, err := gbcs.Decode(given)
		require.NoError(t, err, name)
		require.NoError(t, m.Malformed(), name)
		require.Equal(t, gbcs.SupplierBySupplier, m.Payload.(*gbcs.UpdateSecurityCredentials).Mode, name)
		requireAsReceived(t, name, m, given)
	}
}

func requireAsReceived(t *testing.T, name string, m *gbcs.Message, given []byte) {
	t.Helper()
	require.Equal(t, gbcs.LengthsAsReceived, m.Form, name)
	require.True(t, codesOf(m.Check())[gbcs.FindingLengthForm], name)
	again, err := m.Encode()
	require.NoError(t, err, name)
	require.Equal(t, given, again, name)
}

// lengthOf puts the length in front of octets in hex.
func lengthOf(text string) string {
	text = strings.ReplaceAll(text, " ", "")
	n := len(text) / 2
	if n < 0x80 {
		return hex.EncodeToString([]byte{byte(n)}) + text
	}
	return "81" + hex.EncodeToString([]byte{byte(n)}) + text
}

// A payload of ours that cannot be read leaves the message readable.
func TestMalformedPayload(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ code, payload string }{
		"empty":                            {"000A", ""},
		"a length of indefinite form":      {"000A", "3080 03020780 0000"},
		"a length of four octets":          {"000A", "3084 00000004 03020780"},
		"something after the payload":      {"000A", "3004 03020780 00"},
		"something after the usage":        {"000A", "3006 03020780 0500"},
		"bit string with a set unused bit": {"000A", "3004 03020781"},
		"bit string with a trailing zero":  {"000A", "3004 03020680"},
		"negative counter":                 {"0106", "300D 3007 020106 8302FF00 3000 3000"},
		"integer with a leading zero":      {"0106", "300D 3007 020106 83020001 3000 3000"},
		"counter missing":                  {"0106", "3009 3003 020106 3000 3000"},
		"fields out of order":              {"0106", "300F 3009 020106 830101 810101 3000 3000"},
		"time checks 2":                    {"0106", "300F 3009 020106 810102 830101 3000 3000"},
		"a local time":                     {"0106", "301E 3006 020106 830101 3000 3000 1810 32303330303131353030303030302B30"},
		"a day that is none":               {"0106", "301D 3006 020106 830101 3000 3000 180F 32303330303233303030303030305A"},
	} {
		given := octets(t, head+"00 02"+row.code+lengthOf(row.payload)+signature)
		m, err := gbcs.Decode(given)
		require.NoError(t, err, name)
		require.Error(t, m.Malformed(), name)
		require.True(t, codesOf(m.Check())[gbcs.FindingMalformedPayload], name)
		require.Equal(t, gbcs.OriginatorCounter(1), m.Header.Counter)
		again, err := m.Encode()
		require.NoError(t, err, name)
		require.Equal(t, given, again, name)
	}
}
