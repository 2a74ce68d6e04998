package auditor

import (
	"encoding/hex"
	"fmt"
	"strings"
	"time"
)

// The tables of the offices (parties, approvals, batches, keys of the Repository) are
// small beside the ledger. What the log tells of them is kept whole and held against
// the tables at the end, column by column, as text.

// A thing is one row as the log leaves it. Columns that the log does not tell of are
// not in it.
type thing struct {
	name    string // for people
	record  int64  // that told of it last
	columns map[string]string
	met     bool // in the table
}

// columns of a thing: what a record says of it.
type columns map[string]string

// tell takes up a thing that the log tells of for the first time.
func (a *inspection) tell(r *record, table, key, name string, c columns) error {
	if a.things[table] == nil {
		a.things[table] = make(map[string]*thing)
	}
	if a.things[table][key] != nil {
		return differ(r.Seq, "%s: the log makes it a second time", name)
	}
	for column, text := range c {
		c[column] = as(text)
	}
	a.things[table][key] = &thing{name: name, record: r.Seq, columns: c}
	return nil
}

// change takes up what a record says has become of a thing.
func (a *inspection) change(r *record, table, key string, c columns) error {
	t := a.things[table][key]
	if t == nil {
		return differ(r.Seq, "%s %s: the log changes it before it was made", words(table), key)
	}
	t.record = r.Seq
	for column, text := range c {
		t.columns[column] = as(text)
	}
	return nil
}

// of is a column of a thing that the log has told of, or nothing.
func (a *inspection) of(table, key, column string) string {
	if t := a.things[table][key]; t != nil {
		return t.columns[column]
	}
	return ""
}

// words are what people call a row of a table.
func words(table string) string {
	for _, t := range offices {
		if t.table == table {
			return t.word
		}
	}
	return table
}

func flag(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}

func moment(t time.Time) string { return timeText(micro(t)) }

func number(n int64) string { return fmt.Sprint(n) }

// A kind is how a column is read.
type kind int

const (
	asText   kind = iota
	asNumber      // NULL: empty
	asFlag
	asTime   // NULL or 0: empty
	asOctets // in hex
)

// render writes a value of the database as the log's side is written.
func (k kind) render(v any) (string, error) {
	switch v := v.(type) {
	case nil:
		return "", nil
	case bool:
		if k == asFlag {
			return flag(v), nil
		}
	case int64:
		switch k {
		case asNumber:
			return number(v), nil
		case asFlag:
			return flag(v != 0), nil
		case asTime:
			return timeText(v), nil
		}
	case string:
		switch k {
		case asText:
			return as(v), nil
		case asOctets:
			return hex.EncodeToString([]byte(v)), nil
		}
	case []byte:
		switch k {
		case asText:
			return as(string(v)), nil
		case asOctets:
			return hex.EncodeToString(v), nil
		}
	}
	return "", fmt.Errorf("a value of type %T, which is none that was ever written there", v)
}

// hold compares a row with what the log tells.
func (a *inspection) hold(table *office, key string, row columns) error {
	t := a.things[table.table][key]
	if t == nil && table.table == "ra_barred" && a.unbarred[row["approval"]] {
		return nil // the record is from before it said so
	}
	if begun := table.table == "repository_file" && row["state"] == "begun"; begun && t == nil {
		return nil // the log tells of a file when it is published
	} else if begun {
		return differ(t.record, "%s: it is not published in the ledger, and the log says that it was", t.name)
	}
	if t == nil {
		return unheard("%s %s: it is in the database and not in the log", table.word, strings.ReplaceAll(key, "/", ", "))
	}
	if t.met {
		return unheard("%s: it stands in the database twice", t.name)
	}
	t.met = true
	c := &comparison{record: t.record, what: t.name}
	for _, column := range table.columns {
		if want, told := t.columns[column.name]; told {
			c.text(strings.ReplaceAll(column.name, "_", " "), row[column.name], want)
		}
	}
	if c.err == nil && row["bytes"] != "" && t.columns["bytes"] != "" && row["bytes"] != t.columns["bytes"] {
		c.err = differ(t.record, "%s: what was agreed to is not what is in the log", t.name)
	}
	return c.err
}
