package repository

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"slices"

	"smki.example/ca"
	"smki.example/ca/store"
	"smki.example/policy"
)

// A keyEntry is a certificate in a key store, in the schema of the public one (T):
// EUI-64 in lower-case hex, then digitalSignature or keyAgreement, then the serial
// number in decimal, then this.
//
// The schema has a privateKey too, which need not be there. An export never has it,
// not even empty: a CA does not have its subscribers' keys, and a program that looks
// for one finds that there is none.
type keyEntry struct {
	Certificate string `json:"certificate"`
	Role        *int   `json:"role,omitempty"` // organisations only; that it is there says so
	Name        string `json:"name,omitempty"`
}

// A KeystoreFilter chooses what is exported; its zero value chooses everything.
type KeystoreFilter struct {
	Entities []policy.EntityID  // empty: all
	Profile  policy.ProfileName // device or organisation; empty: both
	InUse    bool               // only what is in use at this moment
}

// ExportKeystore writes certificates of devices and organisations as a key store,
// and returns how many there were. It holds one entity's at a time.
func (r *Repository) ExportKeystore(ctx context.Context, w io.Writer, f KeystoreFilter) (int64, error) {
	out := &keystoreWriter{w: bufio.NewWriter(w)}
	now := r.Issuer.Now()
	visit := func(c *ca.Certificate) error {
		if c.Entity == nil || c.Profile.Authority() || f.Profile != "" && c.Profile != f.Profile {
			return nil
		}
		if f.InUse && r.Transitions.StatusAt(c, now, r.Acceptance) != ca.StatusInUse {
			return nil
		}
		return out.add(c)
	}
	err := r.byEntity(ctx, f.Entities, visit)
	if err == nil {
		err = out.close()
	}
	if err != nil {
		return out.n, fmt.Errorf("exporting key store: %w", err)
	}
	return out.n, nil
}

// byEntity visits certificates in the order of their entities.
func (r *Repository) byEntity(ctx context.Context, entities []policy.EntityID, visit func(*ca.Certificate) error) error {
	if len(entities) > 0 {
		entities = slices.Clone(entities)
		slices.SortFunc(entities, func(a, b policy.EntityID) int { return slices.Compare(a[:], b[:]) })
		for _, id := range slices.Compact(entities) {
			for c, err := range r.Issuer.List(ctx, ca.Filter{Entity: &id}) {
				if err != nil {
					return err
				}
				if err := visit(c); err != nil {
					return err
				}
			}
		}
		return nil
	}
	// The order is that of the index certificate_entity.
	entity, profile, seq := []byte{}, "", int64(0)
	for {
		var page []*ca.Certificate
		err := r.Issuer.Store().Read(ctx, func(tx store.Tx) error {
			serials, err := r.pageByEntity(ctx, tx, entity, profile, seq)
			for _, serial := range serials {
				if err == nil {
					var c *ca.Certificate
					c, err = ca.CertificateIn(ctx, tx, serial)
					page = append(page, c)
				}
			}
			return err
		})
		if err != nil {
			return err
		}
		for _, c := range page {
			if err := visit(c); err != nil {
				return err
			}
			entity, profile, seq = c.Entity[:], string(c.Profile), c.Seq
		}
		if len(page) < pageSize {
			return nil
		}
	}
}

func (r *Repository) pageByEntity(ctx context.Context, tx store.Tx, entity []byte, profile string, seq int64) ([]policy.Serial, error) {
	rows, err := tx.Query(ctx, fmt.Sprintf(`SELECT serial FROM certificate WHERE entity IS NOT NULL AND (entity, profile, seq) > ($1, $2, $3)
		ORDER BY entity, profile, seq LIMIT %d`, pageSize), entity, profile, seq)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var serials []policy.Serial
	for rows.Next() {
		var serial []byte
		if err := rows.Scan(&serial); err != nil {
			return nil, err
		}
		serials = append(serials, policy.Serial(serial))
	}
	return serials, rows.Err()
}

// A keystoreWriter writes the object entity by entity.
type keystoreWriter struct {
	w      *bufio.Writer
	entity policy.EntityID
	held   map[string]map[string]keyEntry // of entity: usage, serial
	wrote  bool
	n      int64
}

func (k *keystoreWriter) add(c *ca.Certificate) error {
	if k.held != nil && *c.Entity != k.entity {
		if err := k.flush(); err != nil {
			return err
		}
	}
	if k.held == nil {
		k.entity, k.held = *c.Entity, map[string]map[string]keyEntry{}
	}
	cert, err := c.Parse()
	if err != nil {
		return err
	}
	e := keyEntry{Certificate: string(cert.PEM())}
	if c.Profile == policy.ProfileOrganisation {
		role, _ := cert.Role()
		number := int(role)
		e.Role = &number
		if _, e.Name, err = named(c); err != nil {
			return err
		}
	}
	place := keystoreUsage(c.Usage)
	if k.held[place] == nil {
		k.held[place] = map[string]keyEntry{}
	}
	k.held[place][decimal(c.Serial)] = e
	k.n++
	return nil
}

func (k *keystoreWriter) flush() error {
	if k.held == nil {
		return nil
	}
	separator := ",\n"
	if !k.wrote {
		separator = "{\n"
	}
	body, err := json.MarshalIndent(k.held, "  ", "  ")
	if err != nil {
		return err
	}
	k.held, k.wrote = nil, true
	_, err = fmt.Fprintf(k.w, "%s  %q: %s", separator, k.entity.Hex(), body)
	return err
}

func (k *keystoreWriter) close() error {
	if err := k.flush(); err != nil {
		return err
	}
	end := "\n}\n"
	if !k.wrote {
		end = "{}\n"
	}
	if _, err := k.w.WriteString(end); err != nil {
		return err
	}
	return k.w.Flush()
}

// keystoreUsage is the word of the key store.
func keystoreUsage(u policy.KeyUsage) string {
	if u == policy.UsageKeyAgreement {
		return "keyAgreement"
	}
	return "digitalSignature"
}

func decimal(s policy.Serial) string { return new(big.Int).SetBytes(s[:]).String() }
