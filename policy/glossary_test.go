package policy_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// glossaryPackages says where a package named in docs/glossary.md is.
var glossaryPackages = map[string]string{
	"policy": "policy", "gbcs": "drills/gbcs", "custody": "hsm/custody", "hsm": "hsm", "ca": "ca",
	"scenario": "drills/scenario", "journal": "drills/journal", "words": "drills/words", "procedure": "drills/procedure", "report": "drills/report",
	"engine": "drills/engine", "roombook": "drills/roombook", "redact": "drills/redact",
}

// Every Go name in docs/glossary.md exists: a glossary that the code has
// outgrown teaches the wrong words.
func TestGlossaryNamesExist(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("../docs/glossary.md")
	require.NoError(t, err)
	names := regexp.MustCompile("`([a-z]+)\\.([A-Z]\\w*(?:\\.\\w+)?)`").FindAllStringSubmatch(string(b), -1)
	require.Greater(t, len(names), 50)
	declared := map[string]map[string]bool{}
	for _, n := range names {
		folder, ok := glossaryPackages[n[1]]
		require.True(t, ok, "docs/glossary.md names package %q: add its folder to this test", n[1])
		if declared[folder] == nil {
			declared[folder] = declarations(t, filepath.Join("..", folder))
		}
		require.True(t, declared[folder][n[2]], "docs/glossary.md: %s is not declared in %s", n[0], folder)
	}
}

// declarations returns the exported names of a folder, methods as Type.Method.
func declarations(t *testing.T, folder string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	require.NoError(t, err)
	out := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		require.NoError(t, err)
		for _, d := range parsed.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				name := d.Name.Name
				if d.Recv != nil {
					receiver := d.Recv.List[0].Type
					if star, ok := receiver.(*ast.StarExpr); ok {
						receiver = star.X
					}
					if id, ok := receiver.(*ast.Ident); ok {
						name = id.Name + "." + name
					}
				}
				out[name] = true
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						out[s.Name.Name] = true
					case *ast.ValueSpec:
						for _, id := range s.Names {
							out[id.Name] = true
						}
					}
				}
			}
		}
	}
	return out
}
