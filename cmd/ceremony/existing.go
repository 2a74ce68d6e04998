package main

import (
	"bytes"
	"encoding/pem"
	"os"
	"strings"

	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
)

func existingFlag() cli.Flag {
	return &cli.StringSliceFlag{Name: "existing", Usage: "NAME=FILE: the certificate (PEM) of an existing key that the script uses; may be given again"}
}

// existingCertificates reads what the flag names; whether they are the right ones,
// the ceremony finds out from the token.
func existingCertificates(c *cli.Context) (map[string][]byte, error) {
	found := map[string][]byte{}
	for _, given := range c.StringSlice("existing") {
		name, path, ok := strings.Cut(given, "=")
		if !ok || name == "" || path == "" {
			return nil, clikit.Usagef("--existing %q: want NAME=FILE, NAME being a certificate of the script", given)
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return nil, clikit.Usagef("--existing: %v", err)
		}
		block, rest := pem.Decode(content)
		if block == nil || block.Type != "CERTIFICATE" || len(bytes.TrimSpace(rest)) > 0 {
			return nil, clikit.Usagef("--existing: %q is not one PEM certificate", path)
		}
		found[name] = block.Bytes
	}
	return found, nil
}
