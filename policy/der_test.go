package policy_test

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/policy"
)

func TestStrictDER(t *testing.T) {
	t.Parallel()
	for _, row := range []struct{ name, hex, want string }{
		{"an empty SEQUENCE", "3000", ""},
		{"TRUE", "0101FF", ""},
		{"FALSE", "010100", ""},
		{"zero", "020100", ""},
		{"128", "02020080", ""},
		{"minus one", "0201FF", ""},
		{"a sorted SET", "3106020101020102", ""},
		{"a date", "170D3231303232383233353935395A", ""},
		{"29 February of a leap year", "180F32303234303232393030303030305A", ""},
		{"UTF-8", "0C02C3A9", ""},

		{"nothing", "", "tag and length"},
		{"a tag alone", "30", "tag and length"},
		{"octets after the end", "300000", "nothing after the end"},
		{"an indefinite length", "30800000", "definite length"},
		{"a length in needless long form", "308100", "shortest form of the length"},
		{"a length with a leading zero", "3082000102", "shortest form of the length"},
		{"a length of five octets", "30850000000000", "at most four octets"},
		{"a length of 127 octets", "30FF", "at most four octets"},
		{"a huge length", "3084FFFFFFFF", "content octets"},
		{"a length beyond the end", "300500", "content octets"},
		{"length octets cut off", "3082", "length octets"},
		{"a child beyond its parent", "300302020101", "content octets"},
		{"a high tag", "1F8101", "high-tag form"},
		{"a high context tag", "BF1F00", "high-tag form"},
		{"an application tag", "6000", "a type that SMKI objects use"},
		{"a private tag", "C000", "a type that SMKI objects use"},
		{"end of contents", "0000", "a type that SMKI objects use"},
		{"a constructed string", "2402040100", "a type that SMKI objects use"},
		{"a primitive SEQUENCE", "1000", "a type that SMKI objects use"},
		{"a BMPString", "1E020041", "a type that SMKI objects use"},
		{"a T61String", "140141", "a type that SMKI objects use"},
		{"TRUE as 01", "010101", "BOOLEAN"},
		{"an empty BOOLEAN", "0100", "BOOLEAN"},
		{"an empty INTEGER", "0200", "INTEGER"},
		{"a padded INTEGER", "02020001", "shortest form of the INTEGER"},
		{"a padded negative INTEGER", "0202FFFF", "shortest form of the INTEGER"},
		{"a padded ENUMERATED", "0A020001", "shortest form of the INTEGER"},
		{"an empty BIT STRING", "0300", "unused bits"},
		{"eight unused bits", "03020800", "unused bits"},
		{"unused bits of nothing", "030101", "unused bits"},
		{"a one among the unused bits", "03020701", "unused bits"},
		{"a NULL with content", "050100", "empty NULL"},
		{"an empty OBJECT IDENTIFIER", "0600", "OBJECT IDENTIFIER"},
		{"a padded arc", "0603558001", "OBJECT IDENTIFIER"},
		{"an arc cut off", "06025581", "OBJECT IDENTIFIER"},
		{"an arc above 31 bits", "0607559FFFFFFFFF7F", "OBJECT IDENTIFIER"},
		{"bad UTF-8", "0C01FF", "UTF-8"},
		{"NUL in UTF8String", "0C03410042", "control characters"},
		{"a line end in UTF8String", "0C020A41", "control characters"},
		{"NUL in PrintableString", "1303410042", "PrintableString"},
		{"an at sign in PrintableString", "130140", "PrintableString"},
		{"eight bits in IA5String", "160180", "IA5String"},
		{"an unsorted SET", "3106020102020101", "ascending order"},
		{"UTCTime without seconds", "170B323130323238323335395A", "UTCTime"},
		{"UTCTime with an offset", "1711323130323238323335393539 2B30303030", "UTCTime"},
		{"29 February of no leap year", "170D3231303232393233353935395A", "UTCTime"},
		{"month 13", "170D3231313332383233353935395A", "UTCTime"},
		{"second 60", "170D3231303232383233353936305A", "UTCTime"},
		{"GeneralizedTime with a fraction", "181132303231303232383233353935392E355A", "GeneralizedTime"},
		{"GeneralizedTime without Z", "180E3230323130323238323335393539", "GeneralizedTime"},
		{"deep nesting", deep(40), "levels"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			der, err := hex.DecodeString(strings.ReplaceAll(row.hex, " ", ""))
			require.NoError(t, err)
			err = policy.CheckDER(der)
			if row.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorContains(t, err, row.want)
			var v *policy.Violation
			require.True(t, errors.As(err, &v))
			require.Equal(t, "der", v.Rule)
			require.NotEmpty(t, v.Clause)
		})
	}
}

// deep nests n SEQUENCEs.
func deep(n int) string {
	s := ""
	for range n {
		s = "30" + hex.EncodeToString([]byte{byte(len(s) / 2)}) + s
	}
	return s
}
