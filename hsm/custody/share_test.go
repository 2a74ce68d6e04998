package custody_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/hsm/custody"
)

func split(t require.TestingT, secret string, k, n int) []custody.Share {
	shares, err := custody.Split([]byte(secret), k, n, nil)
	require.NoError(t, err)
	require.Len(t, shares, n)
	return shares
}

// pick returns the shares with the given numbers, counted from 1.
func pick(shares []custody.Share, numbers ...int) (picked []custody.Share) {
	for _, n := range numbers {
		picked = append(picked, shares[n-1])
	}
	return picked
}

func TestAnyKSharesGiveTheSecretBack(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		secret := rapid.SliceOfN(rapid.Byte(), 1, 64).Draw(t, "secret")
		n := rapid.IntRange(2, 7).Draw(t, "n")
		k := rapid.IntRange(2, n).Draw(t, "k")
		shares, err := custody.Split(secret, k, n, nil)
		require.NoError(t, err)
		order := rapid.Permutation(shares).Draw(t, "order")
		given := rapid.IntRange(1, n).Draw(t, "given")
		got, err := custody.Combine(order[:given])
		if given < k {
			require.ErrorIs(t, err, custody.ErrTooFewShares)
			require.ErrorContains(t, err, fmt.Sprintf("%d of %d shares are here, %d are needed", given, n, k))
			return
		}
		require.NoError(t, err)
		require.Equal(t, secret, got)
	})
}

// With k-1 shares every secret is as likely as any other, so the values of a
// share must not repeat from one split of a secret to the next.
func TestASplitIsFresh(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 50 {
		for _, s := range split(t, "123456", 2, 3) {
			require.False(t, seen[s.Text()])
			seen[s.Text()] = true
			require.NotContains(t, s.Text(), "123456")
		}
	}
}

func TestSplitRefuses(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		secret string
		k, n   int
		want   string
	}{
		{"", 2, 3, "1 to 64"},
		{strings.Repeat("x", 65), 2, 3, "1 to 64"},
		{"pin", 1, 3, "at least 2 custodians"},
		{"pin", 4, 3, "more shares would be needed"},
		{"pin", 2, 17, "at most 16"},
	} {
		_, err := custody.Split([]byte(row.secret), row.k, row.n, nil)
		require.ErrorContains(t, err, row.want)
	}
	_, err := custody.Split([]byte("pin"), 2, 3, bytes.NewReader(nil))
	require.ErrorContains(t, err, "random")
}

func TestCombineNamesWhatIsWrong(t *testing.T) {
	t.Parallel()
	a, b := split(t, "the pin", 2, 3), split(t, "the pin", 2, 3)
	for _, row := range []struct {
		name   string
		shares []custody.Share
		want   string
	}{
		{"none", nil, "no share is here"},
		{"one", pick(a, 2), "1 of 3 shares are here, 2 are needed"},
		{"one twice", pick(a, 2, 2), "share 2 is given twice"},
		{"two splits", []custody.Share{a[0], b[1]}, "are of different splits"},
		{"an empty one", []custody.Share{a[0], {}}, "share 2 given is empty"},
	} {
		_, err := custody.Combine(row.shares)
		require.ErrorContains(t, err, row.want, row.name)
		require.NotContains(t, err.Error(), "the pin")
	}
}

func TestShareOnPaper(t *testing.T) {
	t.Parallel()
	for _, s := range split(t, "a PIN of some length, 32 octets..", 2, 3) {
		again, err := custody.ParseShare(s.Text())
		require.NoError(t, err)
		require.Equal(t, s, again)

		card := s.Card("the recovery token")
		require.Contains(t, card, fmt.Sprintf("share %d of 3 for the recovery token. Any 2", s.Index()))
		again, err = custody.ParseShare(card)
		require.NoError(t, err)
		require.Equal(t, s, again)

		typed := strings.NewReplacer("0", "o", "1", "l", "-", " ").Replace(s.Text())
		again, err = custody.ParseShare(strings.ToLower(typed))
		require.NoError(t, err, "letters that look like digits are understood")
		require.Equal(t, s, again)

		require.NotContains(t, fmt.Sprintf("%v %s %#v", s, s, s), s.Text()[:23], "printing a share gives nothing away")
	}
}

func TestAnySlipIsFoundAndItsRowNamed(t *testing.T) {
	t.Parallel()
	shares := split(t, "123456", 2, 3)
	text := shares[0].Text()
	for i := range text {
		if text[i] == '-' || text[i] == ' ' {
			continue
		}
		other := byte('7')
		if text[i] == other {
			other = '8'
		}
		wrong := text[:i] + string(other) + text[i+1:]
		named := func(text string, i int) {
			_, err := custody.ParseShare(text)
			var shareErr *custody.ShareError
			require.ErrorAs(t, err, &shareErr, "position %d", i)
			require.Equal(t, strings.Count(text[:i], " ")+1, shareErr.Row, "position %d", i)
		}
		named(wrong, i)
		if next := i + 1; next < len(text) && text[next] != '-' && text[next] != ' ' && text[next] != text[i] {
			named(text[:i]+string(text[next])+string(text[i])+text[next+1:], i)
		}
	}

	_, err := custody.ParseShares([]string{shares[1].Text(), text[:20] + "!" + text[21:]})
	require.ErrorContains(t, err, "share 2 of those given, row 1")

	rows := strings.Fields(text)
	_, err = custody.ParseShare(strings.Join(rows[:len(rows)-1], " "))
	require.ErrorContains(t, err, "missing at the end")
	_, err = custody.ParseShare(strings.Join(append([]string{rows[1], rows[0]}, rows[2:]...), " "))
	require.ErrorContains(t, err, "row 1")
	_, err = custody.ParseShare(" \n")
	require.ErrorContains(t, err, "it is empty")
}

func FuzzParseShare(f *testing.F) {
	for _, s := range split(f, "123456", 2, 3) {
		f.Add(s.Text())
		f.Add(s.Card("a token"))
	}
	f.Add("")
	f.Add("# only a heading")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := custody.ParseShare(text)
		if err != nil {
			return
		}
		again, err := custody.ParseShare(s.Text())
		require.NoError(t, err)
		require.Equal(t, s, again)
	})
}
