package storetest

import (
	"fmt"
	"testing"

	"smki.example/ca/store"
)

// Tamper runs a statement as the owner of the database could, past the triggers
// that keep evidence from being changed.
func Tamper(t testing.TB, s *store.Store, statement string, args ...any) {
	t.Helper()
	err := s.Write(t.Context(), func(tx store.Tx) error {
		if s.Distributed() {
			if _, err := tx.Exec(t.Context(), `SET LOCAL session_replication_role = replica`); err != nil {
				return err
			}
			_, err := tx.Exec(t.Context(), statement, args...)
			return err
		}
		triggers, err := dropTriggers(t, tx)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(t.Context(), statement, args...); err != nil {
			return err
		}
		for _, trigger := range triggers {
			if _, err := tx.Exec(t.Context(), trigger); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("tampering: %v", err)
	}
}

// dropTriggers drops all triggers of a SQLite file and returns what made them.
func dropTriggers(t testing.TB, tx store.Tx) (made []string, err error) {
	rows, err := tx.Query(t.Context(), `SELECT name, sql FROM sqlite_master WHERE type = 'trigger'`)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var names []string
	for rows.Next() {
		var name, text string
		if err := rows.Scan(&name, &text); err != nil {
			return nil, err
		}
		names, made = append(names, name), append(made, text)
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	rows.Close()
	for _, name := range names {
		if _, err := tx.Exec(t.Context(), `DROP TRIGGER `+name); err != nil {
			return nil, err
		}
	}
	return made, nil
}

// Forbid makes the database refuse new rows of a table for which a condition on
// NEW holds, with the words "injected fault"; an empty condition refuses all. Allow
// takes it back.
func Forbid(t testing.TB, s *store.Store, table, condition string) {
	t.Helper()
	if condition == "" {
		condition = "1 = 1"
	}
	text := fmt.Sprintf(`CREATE TRIGGER forbidden BEFORE INSERT ON %s WHEN %s BEGIN SELECT RAISE(ABORT, 'injected fault'); END`, table, condition)
	if s.Distributed() {
		text = fmt.Sprintf(`CREATE TRIGGER forbidden BEFORE INSERT ON %s FOR EACH ROW WHEN (%s) EXECUTE FUNCTION smki_refuse('injected fault')`, table, condition)
	}
	run(t, s, text)
}

// Allow takes back what Forbid did to a table, if it did.
func Allow(t testing.TB, s *store.Store, table string) {
	t.Helper()
	text := `DROP TRIGGER IF EXISTS forbidden`
	if s.Distributed() {
		text += ` ON ` + table
	}
	run(t, s, text)
}

func run(t testing.TB, s *store.Store, statement string) {
	t.Helper()
	err := s.Write(t.Context(), func(tx store.Tx) error {
		_, err := tx.Exec(t.Context(), statement)
		return err
	})
	if err != nil {
		t.Fatalf("%s: %v", statement, err)
	}
}

// Text is the SQL for an octet column read as text.
func Text(s *store.Store, column string) string {
	if s.Distributed() {
		return `convert_from(` + column + `, 'UTF8')`
	}
	return `CAST(` + column + ` AS TEXT)`
}
