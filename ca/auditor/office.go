package auditor

import (
	"context"
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A column of a table of the offices.
type column struct {
	name string
	kind kind
}

// An office is a table whose rows the log tells of, with the columns that are
// compared. Those that only count changes, or name a process, are left out.
type office struct {
	table string
	word  string
	key   []string // columns that tell rows apart, as the log names them
	// nth numbers the rows of one key, where the log tells of them in their order.
	nth     bool
	order   string
	columns []column
}

// offices are all of them.
var offices = []office{
	{table: "ra_party", word: "party", key: []string{"id"}, order: "id", columns: []column{
		{"id", asText}, {"name", asText}, {"category", asText}, {"roles", asText}, {"device_sub", asFlag}, {"org_sub", asFlag},
		{"state", asText}, {"cause", asText}, {"revision", asNumber}, {"created_at", asTime}, {"changed_at", asTime}}},
	{table: "ra_identifier", word: "identifiers", key: []string{"first", "last"}, nth: true, order: "id", columns: []column{
		{"first", asOctets}, {"last", asOctets}, {"party", asText}, {"assigned_at", asTime}, {"released_at", asTime}}},
	{table: "ra_officer", word: "officer", key: []string{"id"}, order: "id", columns: []column{
		{"id", asText}, {"party", asText}, {"role", asText}, {"person", asText}, {"name", asText}, {"screened", asText}, {"nomination", asText},
		{"nominated_by", asText}, {"state", asText}, {"cause", asText}, {"created_at", asTime}, {"changed_at", asTime}}},
	{table: "ra_credential", word: "credential", key: []string{"serial"}, order: "serial", columns: []column{
		{"serial", asOctets}, {"fingerprint", asOctets}, {"officer", asText}, {"subject", asText}, {"not_after", asTime},
		{"state", asText}, {"cause", asText}, {"added_at", asTime}, {"changed_at", asTime}}},
	{table: "ra_approval", word: "approval", key: []string{"id"}, order: "id", columns: []column{
		{"id", asNumber}, {"act", asText}, {"subject", asText}, {"party", asText}, {"bytes", asOctets}, {"hash", asOctets}, {"handle", asOctets},
		{"profile", asText}, {"profile_version", asNumber}, {"policy_version", asNumber}, {"table_version", asNumber}, {"needed", asNumber},
		{"state", asText}, {"cause", asText}, {"result", asText}, {"proposed_by", asText}, {"proposer", asText},
		{"created_at", asTime}, {"expires_at", asTime}, {"settled_at", asTime}}},
	{table: "ra_vote", word: "vote", key: []string{"approval", "person"}, order: "approval, person", columns: []column{
		{"approval", asNumber}, {"person", asText}, {"officer", asText}, {"role", asText}, {"accept", asFlag}, {"hash", asOctets}, {"comment", asText}, {"voted_at", asTime}}},
	{table: "ra_barred", word: "bar to a vote", key: []string{"approval", "person"}, order: "approval, person", columns: []column{
		{"approval", asNumber}, {"person", asText}, {"why", asText}}},
	{table: "ra_request", word: "request", key: []string{"id"}, order: "id", columns: []column{
		{"id", asNumber}, {"party", asText}, {"der", asOctets}, {"hash", asOctets}, {"asked_by", asText}, {"asker", asText}, {"state", asText},
		{"cause", asText}, {"serial", asOctets}, {"created_at", asTime}, {"changed_at", asTime}}},
	{table: "ra_check", word: "identity check of request", key: []string{"request"}, nth: true, order: "request, id", columns: []column{
		{"request", asNumber}, {"kind", asText}, {"passed", asFlag}, {"evidence", asText}, {"checked_by", asText}, {"person", asText}, {"checked_at", asTime}}},
	{table: "ra_revocation", word: "revocation request", key: []string{"id"}, order: "id", columns: []column{
		{"id", asNumber}, {"party", asText}, {"serials", asText}, {"reason", asNumber}, {"why", asText}, {"asked_by", asText}, {"asker", asText},
		{"state", asText}, {"evidence", asText}, {"deferred_until", asTime}, {"cause", asText}, {"created_at", asTime}, {"changed_at", asTime}}},
	{table: "smkiws_batch", word: "batch", key: []string{"id"}, order: "id", columns: []column{
		{"id", asNumber}, {"channel", asText}, {"party", asText}, {"requester", asText}, {"name", asText}, {"state", asText}, {"digest", asOctets},
		{"octets", asNumber}, {"items", asNumber}, {"submitted_at", asTime}, {"decided_at", asTime}, {"decided_by", asText}, {"reason", asText}, {"finished_at", asTime},
		{"upload", asText}, {"excess", asNumber}, {"purged_at", asTime}}},
	{table: "repository_file", word: "file of the Repository", key: []string{"number"}, order: "number", columns: []column{
		{"number", asNumber}, {"kind", asText}, {"name", asText}, {"after_certificate", asNumber}, {"to_certificate", asNumber}, {"after_revocation", asNumber},
		{"to_revocation", asNumber}, {"at", asTime}, {"state", asText}, {"begun_by", asText}, {"certificates", asNumber}, {"changes", asNumber}, {"octets", asNumber},
		{"digest", asOctets}, {"published_at", asTime}}},
	{table: "repository_key", word: "API key", key: []string{"id"}, order: "id", columns: []column{
		{"id", asText}, {"hash", asOctets}, {"party", asText}, {"note", asText}, {"adopted", asFlag}, {"created_by", asText}, {"created_at", asTime},
		{"revoked_by", asText}, {"revoked_at", asTime}, {"cause", asText}}},
}

// allOffices holds every row of every table against the log, and looks for what the
// log tells of and no table has.
func (a *inspection) allOffices(ctx context.Context) error {
	for n := range offices {
		t := &offices[n]
		if err := a.allOf(ctx, t); err != nil {
			return err
		}
		things := a.things[t.table]
		for _, key := range slices.Sorted(maps.Keys(things)) {
			if !things[key].met {
				return differ(things[key].record, "%s: it is in the log and not in the database", things[key].name)
			}
		}
	}
	a.report.Parties = int64(len(a.things["ra_party"]))
	a.report.Officers = int64(len(a.things["ra_officer"]))
	a.report.Approvals = int64(len(a.things["ra_approval"]))
	a.report.Batches = int64(len(a.things["smkiws_batch"]))
	a.report.Keys = int64(len(a.things["repository_key"]))
	return nil
}

func (a *inspection) allOf(ctx context.Context, t *office) error {
	names := make([]string, 0, len(t.columns))
	for _, c := range t.columns {
		names = append(names, c.name)
	}
	ordinals := make(map[string]int)
	return a.each(ctx, `SELECT `+strings.Join(names, ", ")+` FROM `+t.table+` ORDER BY `+t.order, nil, func(rows *sql.Rows) error {
		values, targets := make([]any, len(names)), make([]any, len(names))
		for n := range values {
			targets[n] = &values[n]
		}
		if err := rows.Scan(targets...); err != nil {
			return err
		}
		row := make(columns, len(names))
		for n, c := range t.columns {
			text, err := c.kind.render(values[n])
			if err != nil {
				return unheard("%s: its %s is %v", t.word, c.name, err)
			}
			row[c.name] = text
		}
		if b, there := row["bytes"]; there {
			row["bytes"] = digestHex(b)
		}
		if der, there := row["der"]; there {
			row["der"] = digestHex(der)
		}
		var parts []string
		for _, k := range t.key {
			parts = append(parts, row[k])
		}
		key := strings.Join(parts, "/")
		if t.nth {
			ordinals[key]++
			key = fmt.Sprintf("%s/%d", key, ordinals[key])
		}
		return a.hold(t, key, row)
	})
}
