package smkiws

import (
	_ "embed"
	"net/http"
)

// The schemas of both services. Their texts are ours, written from the tables of AppM
// v8.0, Appendices B and E; their version stands in path, file name and Version, which
// change together (AppM, App. B).
var (
	//go:embed schema/AdHocDeviceCSR-1.0.xsd
	adHocSchema []byte
	//go:embed schema/PortalCSRBatch-1.0.xsd
	batchSchema []byte
)

func serveSchema(b []byte) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", contentType)
		w.Header().Set("X-Content-Type-Options", "nosniff")
		w.Write(b)
	}
}
