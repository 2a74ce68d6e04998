// Package smki_test holds the house's own linter: which room may import which,
// and that every room says at its door what it is for.
package smki_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const module = "smki.example"

// rooms is the whole house: every package of the module must be listed, with
// the rooms of ours that its code (tests aside) may import directly. A package
// that is not listed fails the test, so that a new room is a decision.
var rooms = map[string][]string{
	"policy":            {},
	"policy/zlint":      {"policy"},
	"policy/policytest": {"policy"},

	"softhsm": {},

	// Pages in a real browser, for the tests of every room that has pages.
	"pagetest": {},

	"hsm":          {"softhsm"},
	"hsm/custody":  {"hsm"},
	"hsm/ceremony": {"hsm", "hsm/custody", "policy", "softhsm"},

	"ca/store":           {},
	"ca/store/storetest": {"ca/store"},
	"ca/audit":           {"ca/store"},
	"ca":                 {"ca/store", "ca/audit", "policy"},
	"ca/revocation":      {"ca", "ca/store", "ca/audit", "policy"},
	"ca/batch":           {"ca", "ca/store", "ca/audit", "policy"},
	"ca/iki":             {"ca", "ca/store", "ca/audit", "policy"},
	"ca/repository":      {"ca", "ca/store", "ca/audit", "ca/revocation", "policy"},
	"ca/ra":              {"ca", "ca/store", "ca/audit", "policy"},
	"ca/smkiws":          {"ca", "ca/store", "ca/audit", "policy"},
	"ca/cfsslapi":        {"ca", "ca/revocation", "policy"},
	"ca/auditor":         {"ca/store", "ca/audit", "policy"},
	"ca/backup":          {"ca", "ca/store", "ca/audit", "ca/revocation", "ca/iki", "policy"},
	"ca/scope":           {"ca", "ca/store", "ca/audit", "ca/revocation", "policy"},
	"ca/work":            {"ca/store"},

	"drills/words":     {},
	"drills/journal":   {"drills/words"},
	"drills/scenario":  {},
	"drills/procedure": {},
	"drills/forecast":  {},
	"drills/engine":    {"drills/scenario", "drills/journal", "drills/words"},
	"drills/verify":    {"drills/words", "policy"},
	"drills/gbcs":      {"policy"},
	"drills/fleet":     {"drills/gbcs", "policy"},
	"drills/report":    {"drills/journal", "drills/words", "drills/scenario", "drills/procedure", "drills/roombook"},
	// What people did in the exercise room, one run of a drill from tokens to seal, the exercise itself, and its screens.
	"drills/roombook": {"drills/journal"},
	"drills/redact":   {"drills/journal", "drills/roombook"}, // apart from drills/verify, which holds a copy to the rules from outside
	"drills/play": {
		"drills/engine", "drills/forecast", "drills/journal", "drills/procedure", "drills/report", "drills/roombook", "drills/scenario", "drills/verbs",
	},
	"drills/room": {
		"drills/engine", "drills/forecast", "drills/journal", "drills/library", "drills/msel", "drills/play", "drills/procedure", "drills/report", "drills/roombook", "drills/scenario",
		"drills/verbs", "drills/words",
	},
	"drills/console": {"drills/journal", "drills/msel", "drills/procedure", "drills/report", "drills/room", "drills/scenario", "drills/words"},
	"drills/library": {"drills/scenario"},
	// An exercise planner's spreadsheet, read as a scenario; it knows no CA and no procedure.
	"drills/msel": {"drills/scenario"},
	"drills/verbs": {
		"ca", "ca/store", "ca/audit", "ca/revocation", "hsm", "hsm/custody", "hsm/ceremony", "softhsm", "policy",
		"drills/engine", "drills/fleet", "drills/gbcs", "drills/journal", "drills/procedure", "drills/scenario", "drills/words",
	},

	// Measuring: made-up ledgers of national size, and other products beside this one.
	"bench/synthetic": {"ca/store", "ca/audit", "policy"},
	"bench/scale":     {"bench/synthetic", "ca", "ca/store", "ca/revocation", "hsm", "softhsm", "policy"},
	"bench/compare":   {"bench/synthetic", "hsm", "softhsm"},

	"cmd/clikit":       {},
	"cmd/ceremony":     {"cmd/clikit", "hsm", "hsm/custody", "hsm/ceremony", "policy", "softhsm"},
	"cmd/smki/console": {"ca", "ca/ra", "ca/revocation", "ca/store", "policy"},
	"cmd/smki": {
		"cmd/clikit", "ca", "ca/store", "ca/audit", "ca/revocation", "ca/batch", "ca/iki", "ca/repository", "ca/ra", "ca/smkiws", "ca/cfsslapi", "ca/auditor", "ca/backup", "ca/scope", "ca/work", "cmd/smki/console",
		"hsm", "hsm/ceremony", "policy", "softhsm",
	},
	"cmd/drill": {
		"cmd/clikit", "policy", "drills/console", "drills/engine", "drills/forecast", "drills/gbcs", "drills/journal", "drills/library", "drills/msel", "drills/play", "drills/procedure",
		"drills/redact", "drills/report", "drills/room", "drills/roombook", "drills/scenario", "drills/verbs", "drills/verify", "drills/words",
	},
}

// owners says which rooms alone may import a module of somebody else, and why.
// A trailing "test" package and test files are free.
var owners = []struct {
	prefix string
	rooms  []string
	why    string
}{
	{"github.com/miekg/pkcs11", []string{"hsm", "softhsm"}, "a PKCS#11 handle has one owner per session; anyone else would share it"},
	{"github.com/cloudflare/cfssl", []string{"ca/iki", "ca/cfsslapi", "bench/compare"}, "cfssl's signer cannot make SMKI certificates; it serves the IKI side alone, and is measured as it comes"},
	{"github.com/mattn/go-sqlite3", []string{"ca/store", "bench/compare"}, "one room knows which database it is; cfssl, when it is measured, has one of its own"},
	{"github.com/jackc/pgx", []string{"ca/store"}, "one room knows which database it is"},
	{"github.com/pressly/goose", []string{"ca/store"}, "migrations belong to the store"},
	{"github.com/riverqueue", []string{"ca/work"}, "jobs are wake-ups; the truth is in the rooms' own tables"},
	{"github.com/stretchr/testify", nil, "testify is for tests"},
	{"pgregory.net/rapid", nil, "property tests are tests"},
	{"github.com/zmap/zlint", []string{"policy/zlint"}, "zlint links net/http, which the offline ceremony must not"},
}

// unreachable lists what must not be in the whole import graph of a room, its
// dependencies' dependencies included.
var unreachable = []struct {
	room, forbidden, why string
}{
	{"policy", "net/http", "the offline ceremony links policy"},
	{"cmd/ceremony", "net/http", "the machine with the root keys speaks to nobody"},
	{"cmd/ceremony", "database/sql", "the ceremony's record is files that people can read"},
	{"ca", module + "/hsm", "the CA takes a crypto.Signer, so that no PKCS#11 trouble is ever an issuance rule"},
	{"hsm", module + "/ca", "hsm and ca do not know each other"},
	{"hsm/ceremony", module + "/ca", "hsm and ca do not know each other"},
	{"drills/engine", module + "/ca", "the engine knows verbs, not the CA"},
	{"drills/engine", module + "/hsm", "the engine knows verbs, not the token"},
	{"drills/verify", module + "/drills/journal", "an auditor that shares code with the writer shares its mistakes"},
	{"drills/verify", module + "/drills/roombook", "an auditor that shares code with the writer shares its mistakes"},
	{"drills/room", "net/http", "an exercise can be held without a network; its screens are the console's"},
	{"drills/verify", module + "/drills/gbcs", "an auditor that shares code with the writer shares its mistakes"},
	{"cmd/smki", module + "/drills", "an operator's binary can play no drill"},
}

// notNames are folder names that say nothing about what is inside.
var notNames = []string{"pkg", "internal", "util", "utils", "common", "types", "models", "helpers", "misc", "core", "server", "manager"}

type pkg struct {
	ImportPath, Dir, Name string
	GoFiles, CgoFiles     []string
	Imports, Deps         []string
}

func listed(t *testing.T) map[string]pkg {
	t.Helper()
	out, err := exec.Command("go", "list", "-deps=false", "-json=ImportPath,Dir,Name,GoFiles,CgoFiles,Imports,Deps", "./...").Output()
	require.NoError(t, err)
	packages := map[string]pkg{}
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		err := decoder.Decode(&p)
		if errors.Is(err, io.EOF) {
			return packages
		}
		require.NoError(t, err)
		if room := strings.TrimPrefix(p.ImportPath, module+"/"); room != module {
			packages[room] = p
		}
	}
}

func TestImports(t *testing.T) {
	t.Parallel()
	for room, p := range listed(t) {
		allowed, known := rooms[room]
		assert.True(t, known, "%s is a room that the table in layout_test.go does not have: add it with what it may import", room)
		for _, path := range p.Imports {
			if ours, is := strings.CutPrefix(path, module+"/"); is {
				assert.Contains(t, allowed, ours, "%s imports %s; imports go down only", room, ours)
			}
			for _, o := range owners {
				if path == o.prefix || strings.HasPrefix(path, o.prefix+"/") {
					assert.True(t, strings.HasSuffix(room, "test") || slices.Contains(o.rooms, room), "%s imports %s: %s", room, path, o.why)
				}
			}
		}
	}
}

func TestUnreachable(t *testing.T) {
	t.Parallel()
	packages := listed(t)
	for _, rule := range unreachable {
		for _, dep := range packages[rule.room].Deps {
			assert.False(t, dep == rule.forbidden || strings.HasPrefix(dep, rule.forbidden+"/"),
				"%s reaches %s: %s", rule.room, dep, rule.why)
		}
	}
}

func TestRoomsSayWhatTheyAreFor(t *testing.T) {
	t.Parallel()
	for room, p := range listed(t) {
		for _, part := range strings.Split(room, "/") {
			require.NotContains(t, notNames, part, "%s: a folder name must say what a domain expert would look for", room)
		}
		var comments []string
		for _, file := range append(p.GoFiles, p.CgoFiles...) {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.ParseComments|parser.PackageClauseOnly)
			require.NoError(t, err)
			if parsed.Doc != nil {
				comments = append(comments, parsed.Doc.Text())
			}
		}
		if !assert.Len(t, comments, 1, "%s: exactly one file carries the package comment", room) {
			continue
		}
		want := "Package " + p.Name + " "
		if p.Name == "main" {
			want = "Command " + filepath.Base(room) + " "
		}
		assert.True(t, strings.HasPrefix(comments[0], want), "%s: the package comment begins %q", room, want)
		assert.NotContains(t, comments[0], "Licen", "%s: a licence header became the package comment", room)
	}
}

// known are methods whose meaning their interface in the standard library has
// settled; a comment would only say it again.
var known = []string{"String", "Error", "Unwrap", "Is", "MarshalText", "UnmarshalText", "MarshalJSON", "UnmarshalJSON", "Len", "Less", "Swap"}

// Every exported name of ours has a comment: it is what a reader sees first, in
// an editor as in the documentation. A method that an interface of the same room
// declares is explained there.
func TestExportedNamesAreExplained(t *testing.T) {
	t.Parallel()
	for room, p := range listed(t) {
		files := map[string]*ast.File{}
		declared := slices.Clone(known)
		for _, file := range append(p.GoFiles, p.CgoFiles...) {
			parsed, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, file), nil, parser.ParseComments)
			require.NoError(t, err)
			files[file] = parsed
			ast.Inspect(parsed, func(n ast.Node) bool {
				if i, is := n.(*ast.InterfaceType); is {
					for _, method := range i.Methods.List {
						for _, name := range method.Names {
							declared = append(declared, name.Name)
						}
					}
				}
				return true
			})
		}
		for file, parsed := range files {
			for _, declaration := range parsed.Decls {
				switch d := declaration.(type) {
				case *ast.FuncDecl:
					if d.Name.IsExported() && exportedReceiver(d) && (d.Recv == nil || !slices.Contains(declared, d.Name.Name)) {
						assert.NotNil(t, d.Doc, "%s: %s has no comment", filepath.Join(room, file), d.Name.Name)
					}
				case *ast.GenDecl:
					for _, spec := range d.Specs {
						if s, is := spec.(*ast.TypeSpec); is && s.Name.IsExported() {
							assert.True(t, d.Doc != nil || s.Doc != nil, "%s: type %s has no comment", filepath.Join(room, file), s.Name.Name)
						}
					}
				}
			}
		}
	}
}

func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	kind := d.Recv.List[0].Type
	if star, is := kind.(*ast.StarExpr); is {
		kind = star.X
	}
	if index, is := kind.(*ast.IndexExpr); is {
		kind = index.X
	}
	name, is := kind.(*ast.Ident)
	return is && name.IsExported()
}

// TestDocumentLinks fails when a document or the README points to a file that
// is not there.
func TestDocumentLinks(t *testing.T) {
	t.Parallel()
	documents, err := filepath.Glob("docs/*.md")
	require.NoError(t, err)
	for _, document := range append(documents, "README.md") {
		text, err := os.ReadFile(document)
		require.NoError(t, err)
		for _, piece := range strings.Split(string(text), "](")[1:] {
			target, _, closed := strings.Cut(piece, ")")
			if !closed || strings.Contains(target, "://") || strings.HasPrefix(target, "#") {
				continue
			}
			target, _, _ = strings.Cut(target, "#")
			assert.FileExists(t, filepath.Join(filepath.Dir(document), target), "%s points to %s", document, target)
		}
	}
}

// TestEvidence holds the assurance case to the tests: each command that a document
// gives as evidence names tests that exist in the room it names. Whether they pass
// is for make test.
func TestEvidence(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("docs/security.md")
	require.NoError(t, err)
	commands := regexp.MustCompile("`go test (\\./?\\S*) -run '?([A-Za-z|]+)'?`").FindAllStringSubmatch(string(text), -1)
	require.Greater(t, len(commands), 20)
	require.Len(t, commands, strings.Count(string(text), "`go test "), "a command that is not written as the others")
	for _, c := range commands {
		files, err := filepath.Glob(filepath.Join(c[1], "*_test.go"))
		require.NoError(t, err)
		var room strings.Builder
		for _, file := range files {
			source, err := os.ReadFile(file)
			require.NoError(t, err)
			room.Write(source)
		}
		for name := range strings.SplitSeq(c[2], "|") {
			assert.Contains(t, room.String(), "func "+name+"(t *testing.T)", "docs/security.md says that %s shows something", name)
		}
	}
}
