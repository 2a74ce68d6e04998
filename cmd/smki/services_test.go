package main

import (
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/policy"
)

var update = flag.Bool("update", false, "rewrite what tests compare with")

// Each row is a services.json; what is wrong in it is named.
func TestServicesStrict(t *testing.T) {
	t.Parallel()
	load := func(environment, text string) (*services, error) {
		h := &home{dir: t.TempDir()}
		var err error
		h.env, err = policy.LoadEnvironment(environment)
		require.NoError(t, err)
		if text != "" {
			settings(t, h.dir, text)
		}
		return h.services()
	}
	for text, want := range map[string]string{
		`{"version": 1, "web_service": {}}`:                             `unknown field "web_service"`,
		`{"version": 1, "web_services": {"window": {"open": "20:00"}}}`: `unknown field "open"`,
		`{"version": 2}`:                      `version is 2`,
		`{}`:                                  `version is 0`,
		`{"version": 1} {}`:                   `something follows`,
		`{"version": 1, "time_zone": "Mars"}`: `time_zone`,
		`{"version": 1, "web_services": {"batch_time": 300}}`:                                   `want a time as text`,
		`{"version": 1, "web_services": {"retention": "-1h"}}`:                                  `want a time like`,
		`{"version": 1, "web_services": {"window": {"opens": "25:00"}}}`:                        `want a time of day`,
		`{"version": 1, "web_services": {"ad_hoc_path": "/ra/x"}}`:                              `belongs to another service`,
		`{"version": 1, "web_services": {"ad_hoc_path": "/1.0/PortalCSRBatch/SubmitCSRBatch"}}`: `belongs to another service`,
		`{"version": 1, "web_services": {"ad_hoc_path": "/a//b"}}`:                              `want a path like`,
		`{"version": 1, "server": {"certificate": "server.pem"}}`:                               `belong together`,
		`{"version": 1, "server": {"lease_term": "1s"}}`:                                        `at least "2s"`,
		`{"version": 1, "web_services": {"notices": [{"party": "supplier-a"}]}}`:                `from before until`,
		`{"version": 1, "cfssl": {"clients": [{"name": "a", "key": "0102030405060708"}]}}`:      `unknown field "key"`,
	} {
		_, err := load("exercise", text)
		require.ErrorContains(t, err, want, text)
		require.ErrorContains(t, err, servicesFile, text)
	}
	for text, want := range map[string]string{
		`{"version": 1, "web_services": {"auto_approve": true}}`:  "the registration authority releases each batch",
		`{"version": 1, "cfssl": {"unauthenticated": "anybody"}}`: "give each client a key",
	} {
		_, err := load("exercise-register", text)
		require.ErrorContains(t, err, want)
		_, err = load("exercise", text)
		require.NoError(t, err, text)
	}

	s, err := load("exercise", "")
	require.NoError(t, err)
	require.True(t, *s.WebServices.AutoApprove)
	require.True(t, *s.WebServices.Portal)
	s, err = load("exercise-register", "")
	require.NoError(t, err)
	require.False(t, *s.WebServices.AutoApprove)
	s, err = load("exercise", `{"version": 1, "time_zone": "Europe/London", "web_services": {"window": {"opens": "20:00", "closes": "08:00"}, "batch_time": "90s"}}`)
	require.NoError(t, err)
	require.Equal(t, 20*time.Hour, time.Duration(s.WebServices.Window.Opens))
	require.Equal(t, 90*time.Second, time.Duration(s.WebServices.BatchTime))
	require.Equal(t, "Europe/London", s.location.String())
}

// The table of services.json in docs/operations.md is made from the type that reads it.
func TestServicesDocumented(t *testing.T) {
	t.Parallel()
	const begin, end = "<!-- services.json -->\n", "<!-- end -->\n"
	path := filepath.Join("..", "..", "docs", "operations.md")
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	before, rest, found := strings.Cut(string(text), begin)
	require.True(t, found, "docs/operations.md has no line %q", begin)
	have, after, found := strings.Cut(rest, end)
	require.True(t, found, "docs/operations.md has no line %q", end)
	want := "\n| field | meaning |\n| --- | --- |\n" + rowsOf(t, comments(t), reflect.TypeFor[services](), "") + "\n"
	if *update {
		require.NoError(t, os.WriteFile(path, []byte(before+begin+want+end+after), 0o644))
		return
	}
	require.Equal(t, want, have, "run: go test ./cmd/smki -run TestServicesDocumented -update")
}

// comments are the comments of the fields in services.go, by type and field.
func comments(t *testing.T) map[string]string {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), "services.go", nil, parser.ParseComments)
	require.NoError(t, err)
	texts := make(map[string]string)
	ast.Inspect(file, func(n ast.Node) bool {
		spec, is := n.(*ast.TypeSpec)
		if !is {
			return true
		}
		if fields, is := spec.Type.(*ast.StructType); is {
			for _, f := range fields.Fields.List {
				for _, name := range f.Names {
					texts[spec.Name.Name+"."+name.Name] = strings.Join(strings.Fields(f.Doc.Text()), " ")
				}
			}
		}
		return true
	})
	return texts
}

func rowsOf(t *testing.T, texts map[string]string, of reflect.Type, prefix string) string {
	t.Helper()
	var rows strings.Builder
	for n := range of.NumField() {
		f := of.Field(n)
		name := f.Tag.Get("json")
		if name == "" {
			continue
		}
		text := texts[of.Name()+"."+f.Name]
		require.NotEmpty(t, text, "%s.%s has no comment", of.Name(), f.Name)
		text = strings.TrimPrefix(strings.TrimPrefix(strings.TrimPrefix(text, f.Name+" "), "is "), "are ")
		fmt.Fprintf(&rows, "| `%s%s` | %s |\n", prefix, name, text)
		inner := f.Type
		under := prefix + name + "."
		for inner.Kind() == reflect.Pointer || inner.Kind() == reflect.Slice {
			if inner.Kind() == reflect.Slice {
				under = prefix + name + "[]."
			}
			inner = inner.Elem()
		}
		if inner.Kind() == reflect.Struct && inner != reflect.TypeFor[time.Time]() {
			rows.WriteString(rowsOf(t, texts, inner, under))
		}
	}
	return rows.String()
}
