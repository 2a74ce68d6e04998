package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"

	"smki.example/ca"
	"smki.example/cmd/clikit"
	"smki.example/policy"
)

func importCommand() *cli.Command {
	return &cli.Command{
		Name:  "import",
		Usage: "compare what another CA or a folder has with the ledger, and take in what is ours",
		Description: `--from is an index.txt of OpenSSL's ca command, a file with certificates in PEM, or a folder with both (searched through; *.pem, *.crt,
*.cer, *.der). Nothing is changed unless --apply is given. One line for each difference:

  ours-lost    signed by an authority of this CA, and not in the ledger: lost by a restore, or made by a thief
  conflict     another certificate than the ledger has under this serial
  status       revoked here and not there, or the other way round, or at another time or for another reason
  unknown      a serial number in the index that the ledger never gave out, without a certificate to tell whose it is
  foreign      a certificate of another CA
  duplicate    in the input more than once
  unreadable   not a certificate, or not a line of an index

--apply takes in ours-lost, so that they are accounted for and can be revoked; look at each, and revoke what nobody asked for. Nothing else
is ever taken: a foreign certificate has no place in the ledger, which is the account of what this CA's keys signed, and an index is nobody's
word for a revocation (smki revoke --list is). Needs no token. In memory are the serial numbers of the input, nothing else.

Exit: 0 nothing of ours is lost and nothing is in conflict, 1 otherwise.

--json prints {from, apply, certificates, index_lines, same, differences [{kind, serial, where, detail}], counts, adopted, not_in_input}.

Examples:
  smki import --home ca --from /srv/openssl/demoCA
  smki import --home ca --from index.txt --json
  smki import --home ca --from found/ --apply --by alice`,
		Flags: []cli.Flag{
			homeFlag(),
			&cli.StringFlag{Name: "from", Usage: "index.txt, PEM file or folder (`FILE|DIR`)", Required: true},
			&cli.BoolFlag{Name: "apply", Usage: "take in the certificates that authorities of this CA signed"},
			byFlag(),
			clikit.JSONFlag(),
		},
		Action: runImport,
	}
}

func runImport(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	sources, err := importSources(c.String("from"))
	if err != nil {
		return clikit.Usagef("smki import: --from: %v", err)
	}
	return at(c, false, func(d *desk) error {
		if c.Bool("apply") {
			if err := d.goesOn(c.Context); err != nil {
				return err
			}
		}
		i, err := d.newImport(c)
		if err != nil {
			return err
		}
		for _, s := range sources {
			if err := i.read(c.Context, s); err != nil {
				return fmt.Errorf("importing: %w", err)
			}
		}
		return i.end(c.Context)
	})
}

// Kinds of differences.
const (
	diffLost       = "ours-lost"
	diffConflict   = "conflict"
	diffStatus     = "status"
	diffUnknown    = "unknown"
	diffForeign    = "foreign"
	diffDuplicate  = "duplicate"
	diffUnreadable = "unreadable"
)

// A difference is one line of the result.
type difference struct {
	Kind   string `json:"kind"`
	Serial string `json:"serial,omitempty"`
	Where  string `json:"where"`
	Detail string `json:"detail"`
}

// An importing compares, and prints differences as it finds them.
type importing struct {
	d           *desk
	w           io.Writer
	json        bool
	apply       bool
	from, by    string
	authorities []importAuthority

	certificates, lines, same int
	seen                      map[policy.Serial]int8 // bits: seen as a certificate, seen in an index, is in the ledger
	counts                    map[string]int
	printed                   int
	adopted                   []string
}

type importAuthority struct {
	id   string
	cert *policy.Certificate
}

const (
	seenCertificate = 1 << iota
	seenIndex
	seenLedger
)

func (d *desk) newImport(c *cli.Context) (*importing, error) {
	i := &importing{d: d, w: c.App.Writer, json: clikit.WantsJSON(c), apply: c.Bool("apply"), from: c.String("from"), by: who(c),
		seen: map[policy.Serial]int8{}, counts: map[string]int{}, adopted: []string{}}
	for _, a := range d.home.Authorities {
		cert, err := d.home.authorityCertificate(a)
		if err != nil {
			return nil, err
		}
		i.authorities = append(i.authorities, importAuthority{string(a.label()), cert})
	}
	return i, nil
}

func (i *importing) differ(kind, serial, where, format string, a ...any) error {
	i.counts[kind]++
	d := difference{kind, serial, where, fmt.Sprintf(format, a...)}
	i.printed++
	if !i.json {
		_, err := fmt.Fprintf(i.w, "%-11s %s  %s: %s\n", d.Kind, d.Serial, d.Where, d.Detail)
		return err
	}
	b, err := json.Marshal(d)
	if err != nil {
		return err
	}
	before := ",\n    "
	if i.printed == 1 {
		before = "{\n  \"differences\": [\n    "
	}
	_, err = fmt.Fprintf(i.w, "%s%s", before, b)
	return err
}

// certificate compares one certificate.
func (i *importing) certificate(ctx context.Context, where string, der []byte) error {
	i.certificates++
	cert, err := policy.ParseCertificate(der)
	if err != nil {
		return i.stranger(ctx, where, der)
	}
	serial := cert.Serial
	if i.seen[serial]&seenCertificate != 0 {
		return i.differ(diffDuplicate, serial.String(), where, "a certificate of this serial number was in the input before")
	}
	i.seen[serial] |= seenCertificate
	ours, err := i.d.issuer.BySerial(ctx, serial)
	if err == nil {
		i.seen[serial] |= seenLedger
		if string(ours.DER) != string(der) {
			return i.differ(diffConflict, serial.String(), where, "the ledger has another certificate of this serial number, of %s", ours.Issuer)
		}
		i.same++
		return nil
	}
	if !errors.Is(err, ca.ErrNotFound) {
		return err
	}
	for _, a := range i.authorities {
		if policy.VerifyTBS(a.cert.PublicKey, cert.RawTBS, cert.Signature) == nil {
			return i.lost(ctx, where, a.id, cert)
		}
	}
	return i.differ(diffForeign, serial.String(), where, "issued by %s, whose key is none of this CA's", cert.Issuer)
}

// lost is a certificate of ours that the ledger does not have.
func (i *importing) lost(ctx context.Context, where, id string, cert *policy.Certificate) error {
	serial := cert.Serial
	_, err := i.d.register.Find(ctx, serial)
	revoked := err == nil
	if err != nil && !errors.Is(err, ca.ErrNotFound) {
		return err
	}
	if intent, err := i.d.issuer.IntentOf(ctx, serial); err == nil {
		return i.differ(diffConflict, serial.String(), where, "signed by %s; the ledger has an intent for it that is %s, and it stands as revoked where the authority has a list", id, intent.State)
	} else if !errors.Is(err, ca.ErrNotFound) {
		return err
	}
	told := fmt.Sprintf("signed by %s and not in the ledger", id)
	if revoked {
		told += "; a revocation of it is on record"
	}
	if !i.apply {
		return i.differ(diffLost, serial.String(), where, "%s", told)
	}
	done, err := i.d.issuer.Adopt(ctx, []ca.Adoption{{DER: cert.Raw, Issuer: id, Revoked: revoked}}, i.by)
	if errors.Is(err, ca.ErrRefused) || errors.Is(err, ca.ErrConflict) {
		return i.differ(diffConflict, serial.String(), where, "%s; %v", told, oneLine(err))
	}
	if err != nil {
		return err
	}
	for _, c := range done {
		i.adopted = append(i.adopted, c.Serial.String())
	}
	i.seen[serial] |= seenLedger
	return i.differ(diffLost, serial.String(), where, "%s: taken in", told)
}

// end prints the counts and gives the verdict.
func (i *importing) end(ctx context.Context) error {
	matched := 0
	for _, bits := range i.seen {
		if bits&seenLedger != 0 {
			matched++
		}
	}
	all, err := i.d.issuer.Size(ctx)
	if err != nil {
		return err
	}
	lost := i.counts[diffLost] - len(i.adopted)
	if i.json {
		rest, err := json.MarshalIndent(map[string]any{"from": i.from, "apply": i.apply, "certificates": i.certificates, "index_lines": i.lines, "same": i.same,
			"counts": i.counts, "adopted": i.adopted, "not_in_input": all - int64(matched)}, "", "  ")
		if err != nil {
			return err
		}
		head := "\n  ],"
		if i.printed == 0 {
			head = "{\n  \"differences\": [],"
		}
		// The object goes on where the list ended.
		if _, err := fmt.Fprintf(i.w, "%s%s\n", head, strings.TrimPrefix(string(rest), "{")); err != nil {
			return err
		}
	} else {
		var counts []string
		for _, kind := range []string{diffLost, diffConflict, diffStatus, diffUnknown, diffForeign, diffDuplicate, diffUnreadable} {
			if n := i.counts[kind]; n > 0 {
				counts = append(counts, fmt.Sprintf("%d %s", n, kind))
			}
		}
		if len(counts) == 0 {
			counts = []string{"no difference"}
		}
		fmt.Fprintf(i.w, "%d certificates and %d lines of an index: %d as in the ledger; %s\n", i.certificates, i.lines, i.same, strings.Join(counts, ", "))
		fmt.Fprintf(i.w, "%d of the %d certificates in the ledger are not in the input\n", all-int64(matched), all)
		switch {
		case i.apply:
			fmt.Fprintf(i.w, "%d taken into the ledger\n", len(i.adopted))
		case lost > 0:
			fmt.Fprintf(i.w, "dry run: nothing was changed; --apply takes in what is ours-lost\n")
		default:
			fmt.Fprintf(i.w, "dry run: nothing was changed\n")
		}
	}
	if lost > 0 || i.counts[diffConflict] > 0 {
		return clikit.Silent(clikit.Failed)
	}
	return nil
}
