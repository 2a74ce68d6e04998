package smkiws_test

import (
	"bytes"
	"encoding/asn1"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/ca"
	"smki.example/ca/smkiws"
	"smki.example/policy"
	"smki.example/policy/policytest"
)

// altered is a request of device n in which one piece of DER was replaced by another
// of the same length. The signature does not fit any more, which is looked at last.
func altered(t testing.TB, n int, old, new []byte) []byte {
	der := device(t, n)
	require.Len(t, new, len(old))
	require.Equal(t, 1, bytes.Count(der, old), "%x", der)
	return bytes.Replace(der, old, new, 1)
}

func oid(t testing.TB, id ...int) []byte {
	b, err := asn1.Marshal(asn1.ObjectIdentifier(id))
	require.NoError(t, err)
	return b
}

// breaking makes, for each check of the table that looks at a request, a world in
// which a request of device 1 fails that check and no other, and the request.
var breaking = map[string]func(t *testing.T, w *world) []byte{
	"request": func(t *testing.T, w *world) []byte { return []byte{0x30, 0x00} },
	"subject-alt-name": func(t *testing.T, w *world) []byte {
		return altered(t, 1, oid(t, 1, 3, 6, 1, 5, 5, 7, 8, 4), oid(t, 1, 3, 6, 1, 5, 5, 7, 8, 5))
	},
	"proof-of-possession": func(t *testing.T, w *world) []byte {
		e1, e2 := entity(1), entity(2)
		return altered(t, 1, e1[:], e2[:])
	},
	"signature-algorithm": func(t *testing.T, w *world) []byte {
		return altered(t, 1, oid(t, 1, 2, 840, 10045, 4, 3, 2), oid(t, 1, 2, 840, 10045, 4, 3, 3))
	},
	"key-usage": func(t *testing.T, w *world) []byte {
		return altered(t, 1, []byte{0x03, 0x02, 0x07, 0x80}, []byte{0x03, 0x02, 0x03, 0x88})
	},
	"encoding": func(t *testing.T, w *world) []byte { return nil },
	"public-key": func(t *testing.T, w *world) []byte {
		return altered(t, 1, oid(t, 1, 2, 840, 10045, 3, 1, 7), oid(t, 1, 2, 840, 10045, 3, 1, 6))
	},
	"request-type": func(t *testing.T, w *world) []byte {
		return policytest.OrganisationRequest(t, policytest.NewKey(t), "", policy.RoleSupplier, entity(1), policy.UsageDigitalSignature)
	},
	"eligible-subscriber": func(t *testing.T, w *world) []byte {
		w.register.set(func(string, *policy.Request) error {
			return fmt.Errorf("the role may not ask for a meter in this state")
		})
		return device(t, 1)
	},
	"unknown-device": func(t *testing.T, w *world) []byte { return device(t, 2) },
	"device-limit": func(t *testing.T, w *world) []byte {
		for range 99 {
			w.issued(t, 1)
		}
		return device(t, 1)
	},
	"key-reuse": func(t *testing.T, w *world) []byte {
		der := device(t, 1)
		results, err := w.issuer.IssueBatch(t.Context(), []ca.Request{{DER: der, Requester: "somebody"}})
		require.NoError(t, err)
		require.NoError(t, results[0].Err)
		return der
	},
	"key-blocked": func(t *testing.T, w *world) []byte {
		der := device(t, 1)
		r, err := policy.ParseRequest(der)
		require.NoError(t, err)
		key, err := ca.KeyHashOf(r.PublicKey)
		require.NoError(t, err)
		require.NoError(t, w.issuer.BlockKey(t.Context(), ca.KeyBlock{Key: key, Reason: "leaked", By: "operator"}))
		return der
	},
	// A signature that waits holds the key's intent open while the request comes.
	"conflict": func(t *testing.T, w *world) []byte {
		der := device(t, 1)
		begun, release := make(chan bool), make(chan bool)
		w.failing(func() error {
			begun <- true
			<-release
			return nil
		})
		done := make(chan bool)
		go func() {
			defer close(done)
			_, _ = w.issuer.IssueBatch(t.Context(), []ca.Request{{DER: der, Requester: "somebody"}})
		}()
		<-begun
		w.failing(nil)
		t.Cleanup(func() {
			close(release)
			<-done
		})
		return der
	},
	"authority-validity": func(t *testing.T, w *world) []byte {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.now = w.hierarchy.IssuingDCA.Certificate.NotAfter.AddDate(1, 0, 0)
		return device(t, 1)
	},
	"signing": func(t *testing.T, w *world) []byte {
		w.failing(inject)
		return device(t, 1)
	},
	"register": func(t *testing.T, w *world) []byte {
		w.register.set(func(string, *policy.Request) error { return fmt.Errorf("asking: %w", ca.ErrOutage) })
		return device(t, 1)
	},
}

// elsewhere are the checks that no request can fail, and the tests that make them fail.
var elsewhere = map[string]string{
	"xml": "TestAdHocStatuses, TestSubmitRefused", "too-many": "TestSubmitRefused", "unknown-batch": "TestOwnBatchesOnly", "bad-query": "TestResultQuery",
	"unreadable": "TestDatabaseDown", "workflow": "TestAdHocStatuses, TestDatabaseDown", "recording": "TestAdHocStatuses, TestItemNeverRecorded",
}

// Every row of the table of failed checks: the verdict of each channel is what its
// client is told.
func TestChecks(t *testing.T) {
	t.Parallel()
	checks, err := smkiws.DefaultChecks()
	require.NoError(t, err)
	for _, row := range checks.Rows() {
		if elsewhere[row.Name] != "" {
			continue
		}
		make := breaking[row.Name]
		require.NotNil(t, make, "check %q has no test", row.Name)
		t.Run(row.Name, func(t *testing.T) {
			t.Parallel()
			if row.AdHoc != (smkiws.Verdict{}) {
				w := newWorld(t)
				w.issued(t, 1)
				a := w.adHoc(t, make(t, w))
				require.Equal(t, row.AdHoc, smkiws.Verdict{Status: a.Status, Code: a.Error.ErrorCode}, a.Error.ErrorText)
			}
			if row.Item == (smkiws.Verdict{}) {
				return
			}
			w := newWorld(t, func(c *smkiws.Config) { c.Limits.Attempts = 1 })
			w.issued(t, 1)
			id := w.submit(t, "supplier", batchDocument("b", text(make(t, w)))).BatchId
			workAll(t, w.service)
			r := w.result(t, "supplier", id)
			require.Equal(t, "COMPLETED", r.BatchStatus)
			require.Len(t, r.DeviceCertificate, 1)
			item := r.DeviceCertificate[0]
			require.Equal(t, row.Item, smkiws.Verdict{Status: item.Status, Code: item.Error.ErrorCode}, item.Error.ErrorText)
			require.NotEmpty(t, item.Error.ErrorText)

			var report bytes.Buffer
			require.NoError(t, w.service.Report(t.Context(), smkiws.Client{Party: "supplier"}, id, &report))
			require.Equal(t, fmt.Sprintf("%d.1\td1.csr\t%s\t%s\r\n", id, row.Report.Status, row.Report.Code), report.String())
		})
	}
}

// ISSUANCE_ANOMALY and CA_ERROR share a prefix and differ in what a client is to do, so
// that no code may stand for both.
func TestChecksTellApart(t *testing.T) {
	t.Parallel()
	checks, err := smkiws.DefaultChecks()
	require.NoError(t, err)
	status := map[string]string{}
	for _, row := range checks.Rows() {
		for _, v := range []smkiws.Verdict{row.AdHoc, row.Batch, row.Item} {
			if other, known := status[v.Code]; known && v.Code != "IN:L316" && v.Code != "" {
				require.Equal(t, other, v.Status, v.Code)
			}
			status[v.Code] = v.Status
		}
	}
}

// A table that somebody else wrote is read strictly.
func TestParseChecks(t *testing.T) {
	t.Parallel()
	whole := func(change func(string) string) []byte {
		checks, err := smkiws.DefaultChecks()
		require.NoError(t, err)
		var rows []string
		cell := func(v smkiws.Verdict) string {
			if v == (smkiws.Verdict{}) {
				return "-"
			}
			return v.Status + " " + v.Code
		}
		for _, r := range checks.Rows() {
			rows = append(rows, fmt.Sprintf(`{"check":%q,"adhoc":%q,"batch":%q,"item":%q,"report":%q,"mark":%q,"means":%q}`,
				r.Name, cell(r.AdHoc), cell(r.Batch), cell(r.Item), cell(r.Report), r.Mark, r.Means))
		}
		return []byte(change(`{"note":"","checks":[` + strings.Join(rows, ",\n") + `]}`))
	}
	_, err := smkiws.ParseChecks("own.json", whole(func(s string) string { return s }))
	require.NoError(t, err)
	for name, row := range map[string]struct{ old, new, want string }{
		"unknown field":     {`"note":""`, `"notes":""`, "unknown field"},
		"unknown status":    {"CSR_ERROR CR:CC1", "CSR_WRONG CR:CC1", "no such status"},
		"other prefix":      {"CSR_ERROR CR:CC1", "CSR_ERROR CA:CC1", "begin with CR"},
		"code too long":     {"CSR_ERROR CR:CC1", "CSR_ERROR CR:12345678", "at most 10"},
		"code of no form":   {"CSR_ERROR CR:CC1", "CSR_ERROR CR:", "want a code"},
		"twice":             {`"check":"subject-alt-name"`, `"check":"request"`, "stands twice"},
		"made, not in it":   {`"check":"signing"`, `"check":"singing"`, `check "signing" is made and has no verdict`},
		"made, no verdict":  {`"batch":"FORMAT_ERROR FM:AA3"`, `"batch":"-"`, `check "unknown-batch" is made`},
		"item for ad hoc":   {`"adhoc":"CSR_ERROR CR:CC1"`, `"adhoc":"INELIGIBLE IN:1"`, "no such status"},
		"something after":   {"]}", "]} {}", "after the object"},
		"mark of no source": {`"mark":"S"`, `"mark":"K"`, "the mark S or I"},
	} {
		_, err := smkiws.ParseChecks("own.json", whole(func(s string) string {
			require.Contains(t, s, row.old, name)
			return strings.Replace(s, row.old, row.new, 1)
		}))
		require.ErrorContains(t, err, row.want, name)
		require.ErrorContains(t, err, `reading checks "own.json"`)
	}
}
