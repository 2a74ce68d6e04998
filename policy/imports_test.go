package policy_test

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// policy is linked into the offline ceremony, so that its import graph has no
// network, no database and no token, and nothing that is not the standard
// library or cryptobyte.
func TestImportGraph(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	require.NoError(t, err)
	require.Equal(t, []string{"golang.org/x/crypto/cryptobyte/asn1", "golang.org/x/crypto/cryptobyte", "smki.example/policy"}, strings.Fields(string(out)))
	out, err = exec.Command("go", "list", "-deps", ".").Output()
	require.NoError(t, err)
	for _, banned := range []string{"net", "net/http", "database/sql", "os/exec", "crypto/tls"} {
		require.NotContains(t, strings.Fields(string(out)), banned)
	}
}
