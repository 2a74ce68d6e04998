package repository_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/repository"
	"smki.example/policy"
)

func table(t *testing.T) (*repository.Transitions, []byte) {
	t.Helper()
	b, err := os.ReadFile("transitions.json")
	require.NoError(t, err)
	parsed, err := repository.ParseTransitions("transitions.json", b)
	require.NoError(t, err)
	return parsed, b
}

func TestStatus(t *testing.T) {
	t.Parallel()
	tr, _ := table(t)
	recorded, end := now, now.Add(10*time.Hour)
	const acceptance = time.Hour
	for _, row := range []struct {
		says    string
		profile policy.ProfileName
		ledger  ca.Status
		at      time.Time
		wait    time.Duration
		want    ca.Status
	}{
		{"accepted at once", policy.ProfileDevice, "I", recorded, 0, "I"},
		{"may still be rejected", policy.ProfileOrganisation, "I", recorded.Add(acceptance - 1), acceptance, "P"},
		{"deemed accepted", policy.ProfileOrganisation, "I", recorded.Add(acceptance), acceptance, "I"},
		{"rejected, and so revoked", policy.ProfileOrganisation, "R", recorded, acceptance, "R"},
		{"withdrawn while pending", policy.ProfileDevice, "N", recorded, acceptance, "N"},
		{"the last moment is still one", policy.ProfileOrganisation, "I", end, 0, "I"},
		{"over", policy.ProfileOrganisation, "I", end.Add(1), 0, "E"},
		{"over, and revoked", policy.ProfileOrganisation, "R", end.Add(1), 0, "R"},
		{"over, and withdrawn", policy.ProfileDevice, "N", end.Add(1), 0, "N"},
		{"over before it was accepted", policy.ProfileOrganisation, "I", end.Add(1), 1000 * time.Hour, "E"},
		{"revoked where devices have a list", policy.ProfileDevice, "R", recorded, 0, "R"},
		{"authorities are never pending", policy.ProfileRootOCA, "I", recorded, acceptance, "I"},
	} {
		c := &ca.Certificate{Profile: row.profile, Status: row.ledger, RecordedAt: recorded, NotAfter: end}
		require.Equal(t, row.want, tr.StatusAt(c, row.at, row.wait), row.says)
		if row.wait == 0 {
			require.Equal(t, c.StatusAt(row.at), row.want, "%s: without a time for rejection it is the ledger's word", row.says)
		}
	}
}

func TestTransitionsThatWouldMislead(t *testing.T) {
	t.Parallel()
	_, b := table(t)
	_, err := repository.ParseTransitions("t.json", []byte(strings.Replace(string(b), `"version"`, `"versoin"`, 1)))
	require.ErrorContains(t, err, "t.json")
	_, err = repository.ParseTransitions("t.json", append(b, '{'))
	require.Error(t, err)
	for says, change := range map[string]func(*repository.Transitions){
		"revoked devices shown in use":      func(t *repository.Transitions) { t.Rows[4].To = "I" },
		"withdrawal forgotten":              func(t *repository.Transitions) { t.Rows = append(t.Rows[:2:2], t.Rows[3:]...) },
		"what is revoked expires":           func(t *repository.Transitions) { t.Rows[5].From = append(t.Rows[5].From, "R") },
		"what is withdrawn is issued again": func(t *repository.Transitions) { t.Rows[0].From = append(t.Rows[0].From, "N") },
		"nothing ever expires":              func(t *repository.Transitions) { t.Rows = t.Rows[:5] },
	} {
		tr, _ := table(t)
		change(tr)
		changed, err := json.Marshal(tr)
		require.NoError(t, err)
		_, err = repository.ParseTransitions("t.json", changed)
		require.Error(t, err, says)
	}
}
