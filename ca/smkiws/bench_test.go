package smkiws_test

import (
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// A batch from its document to its result, with keys in software: what this package
// costs beside the signatures.
func BenchmarkBatch(b *testing.B) {
	const size = 5000
	w := newWorld(b)
	for b.Loop() {
		b.StopTimer()
		document := batchDocument("b", requests(b, size)...)
		b.StartTimer()
		id := w.submit(b, "supplier", document).BatchId
		for {
			did, err := w.service.Work(b.Context())
			require.NoError(b, err)
			if !did {
				break
			}
		}
		status, _, body := w.call(b, "GET", "/1.0/PortalCSRBatch/CSRBatchResult?BatchId="+strconv.FormatInt(id, 10), "supplier", "", nil)
		require.Equal(b, 200, status)
		require.NotEmpty(b, body)
	}
	b.ReportMetric(float64(size)*float64(b.N)/b.Elapsed().Seconds(), "certificates/s")
}
