package scenario

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"
)

// schemaText is the shape of a scenario, for editors and for us.
//
//go:embed schema.json
var schemaText []byte

// Schema returns the JSON Schema of the language, for editors that complete and
// check while a planner types.
func Schema() []byte { return bytes.Clone(schemaText) }

const schemaURL = "https://smki.example/drills/scenario/schema.json"

// schemaTree is the schema as data, and schema the compiled one. Both are read
// only; that they load is a promise of ours, so a failure is a panic.
var schemaTree, schema = func() (any, *jsonschema.Schema) {
	tree, err := jsonschema.UnmarshalJSON(bytes.NewReader(schemaText))
	if err == nil {
		c := jsonschema.NewCompiler()
		if err = c.AddResource(schemaURL, tree); err == nil {
			var s *jsonschema.Schema
			if s, err = c.Compile(schemaURL); err == nil {
				return tree, s
			}
		}
	}
	panic("scenario: internal error: " + err.Error())
}()

// checkShape holds the file against the schema and says what is wrong in the
// words of the language.
func checkShape(root *node, errs *errorList) {
	// A version that we do not know comes first: every other complaint would be
	// about a language that the file does not claim to be written in.
	if v := root.get("drill"); root.kind == mappingNode && v != nil && v.text != fmt.Sprint(Language) {
		errs.add(v.pos, "drill: %s is a version of the language that is not known: write drill: %d", v.text, Language)
		return
	}
	err := schema.Validate(root.value())
	if err == nil {
		return
	}
	v, ok := err.(*jsonschema.ValidationError)
	if !ok {
		errs.add(root.pos, "%v", err)
		return
	}
	shapeErrors(root, v, errs)
}

func shapeErrors(root *node, e *jsonschema.ValidationError, errs *errorList) {
	switch e.ErrorKind.(type) {
	case *kind.AnyOf:
		// Only the form that the author seems to have meant is of interest.
		shapeErrors(root, meant(e.Causes), errs)
		return
	case *kind.Schema, *kind.Group, *kind.Reference, *kind.AllOf:
		for _, c := range e.Causes {
			shapeErrors(root, c, errs)
		}
		return
	case *kind.PropertyNames:
		p := e.ErrorKind.(*kind.PropertyNames)
		at := find(root, e.InstanceLocation)
		for _, c := range e.Causes {
			if words, ok := c.ErrorKind.(*kind.Enum); ok {
				errs.add(at.keyPos(p.Property), "unknown word %q: one of %s", p.Property, listed(words.Want))
				return
			}
		}
		errs.add(at.keyPos(p.Property), "%q is not a name: use small letters, digits, and single spaces or hyphens", p.Property)
		return
	}
	at := find(root, e.InstanceLocation)
	where := "the scenario"
	if n := len(e.InstanceLocation); n > 0 {
		where = fmt.Sprintf("%q", e.InstanceLocation[n-1])
		if strings.Trim(e.InstanceLocation[n-1], "0123456789") == "" && n > 1 {
			where = fmt.Sprintf("an entry of %q", e.InstanceLocation[n-2])
		}
	}
	switch k := e.ErrorKind.(type) {
	case *kind.AdditionalProperties:
		known := properties(e.SchemaURL)
		for _, p := range k.Properties {
			errs.add(at.keyPos(p), "unknown word %q in %s: %s", p, where, instead(p, known))
		}
	case *kind.Required:
		errs.add(at.pos, "%s has no %s", where, quoted(k.Missing))
	case *kind.Type:
		if k.Got == "null" {
			errs.add(at.pos, "%s is empty: write %s", where, typeWords(k.Want))
			return
		}
		if slices.Equal(k.Want, []string{"string"}) && at.kind == scalarNode {
			errs.add(at.pos, "%s: %s", where, patternWords(e.SchemaURL, at.text))
			return
		}
		errs.add(at.pos, "%s is %s: write %s", where, typeWords([]string{k.Got}), typeWords(k.Want))
	case *kind.Const:
		errs.add(at.pos, "%s can only be %v", where, k.Want)
	case *kind.Pattern:
		errs.add(at.pos, "%s: %s", where, patternWords(e.SchemaURL, at.text))
	case *kind.MinItems:
		errs.add(at.pos, "%s needs at least %s, it has %d", where, entries(k.Want), k.Got)
	case *kind.MinProperties:
		errs.add(at.pos, "%s needs at least %s, it has %d", where, entries(k.Want), k.Got)
	case *kind.MaxItems:
		errs.add(at.pos, "%s has at most %s, not %d", where, entries(k.Want), k.Got)
	case *kind.MaxProperties:
		errs.add(at.pos, "%s has at most %s, not %d", where, entries(k.Want), k.Got)
	case *kind.UniqueItems:
		errs.add(at.pos, "%s says one thing twice: entries %d and %d", where, k.Duplicates[0]+1, k.Duplicates[1]+1)
	case *kind.Minimum:
		errs.add(at.pos, "%s is at least %s, not %s", where, k.Want.RatString(), k.Got.RatString())
	case *kind.Maximum:
		errs.add(at.pos, "%s is at most %s, not %s", where, k.Want.RatString(), k.Got.RatString())
	case *kind.MaxLength:
		errs.add(at.pos, "%s has at most %d letters, not %d", where, k.Want, k.Got)
	default:
		errs.add(at.pos, "%s: %v", where, e.Error())
	}
}

// meant picks the form that fits the kind of YAML that is there, else the one
// that got furthest.
func meant(causes []*jsonschema.ValidationError) *jsonschema.ValidationError {
	best := causes[0]
	score := func(e *jsonschema.ValidationError) (depth int) {
		for len(e.Causes) > 0 {
			e = e.Causes[0]
		}
		depth = 2 * len(e.InstanceLocation)
		switch e.ErrorKind.(type) {
		case *kind.Type, *kind.Const:
		default:
			depth++
		}
		return depth
	}
	for _, c := range causes[1:] {
		if score(c) > score(best) {
			best = c
		}
	}
	return best
}

// find walks to the node that a schema error is about.
func find(n *node, path []string) *node {
	for _, p := range path {
		switch {
		case n.kind == mappingNode && n.get(p) != nil:
			n = n.get(p)
		case n.kind == sequenceNode:
			i, err := ParseNumber(p)
			if err != nil || i >= len(n.items) {
				return n
			}
			n = n.items[i]
		default:
			return n
		}
	}
	return n
}

// at is the part of the schema that a URL points to.
func schemaAt(url string) map[string]any {
	_, pointer, _ := strings.Cut(url, "#")
	tree := schemaTree
	for _, p := range strings.Split(strings.TrimPrefix(pointer, "/"), "/") {
		m, ok := tree.(map[string]any)
		if !ok {
			return nil
		}
		if p != "" {
			tree = m[strings.NewReplacer("~1", "/", "~0", "~", "%20", " ").Replace(p)]
		}
	}
	m, _ := tree.(map[string]any)
	return m
}

// properties lists the words that a part of the schema knows.
func properties(url string) []string {
	m, _ := schemaAt(url)["properties"].(map[string]any)
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}

// patternWords says what a pattern stands for.
func patternWords(url, text string) string {
	var err error
	switch {
	case strings.HasSuffix(url, "/time"):
		_, err = ParseTime(text)
	case strings.HasSuffix(url, "/duration"):
		_, err = ParseDuration(text)
	case strings.HasSuffix(url, "/share"):
		_, err = ParseShare(text)
	case strings.HasSuffix(url, "/rate"):
		_, err = ParseRate(text)
	case strings.HasSuffix(url, "/name"):
		return fmt.Sprintf("%q is not a name: use small letters, digits, and single spaces or hyphens", text)
	case strings.HasSuffix(url, "/id"):
		return fmt.Sprintf("%q is not an id: use letters, digits, dots and hyphens, such as S01", text)
	case strings.TrimSpace(text) == "":
		return "it is empty: write some words"
	case integerText.MatchString(text) || decimalText.MatchString(text) || text == "true" || text == "false":
		return fmt.Sprintf("%s is read as a number or as yes or no: put it in quotes to make it a text", text)
	}
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("%q has the wrong form", text)
}

// listed writes the values that a part of the schema allows.
func listed(values []any) string {
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = fmt.Sprint(v)
	}
	return strings.Join(words, ", ")
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

// typeWords names JSON types as a planner knows them.
func typeWords(types []string) string {
	words := map[string]string{"string": "a text", "number": "a number", "integer": "a whole number", "boolean": "true or false",
		"object": "a list of words with values", "array": "a list", "null": "nothing"}
	out := make([]string, len(types))
	for i, t := range types {
		out[i] = words[t]
	}
	return strings.Join(out, " or ")
}

// Word is a row of the language's table of words: where it may stand, and what
// it says. The table in docs/drill-language.md is these rows.
type Word struct {
	In, Word, Says string
	Required       bool
}

// Words lists the words of the language as the schema has them.
func Words() []Word {
	var out []Word
	add := func(in string, m map[string]any) {
		var required []string
		if list, ok := m["required"].([]any); ok {
			for _, r := range list {
				required = append(required, fmt.Sprint(r))
			}
		}
		for _, p := range orderedKeys(in) {
			def, _ := m["properties"].(map[string]any)[p].(map[string]any)
			says, _ := def["description"].(string)
			if says == "" {
				ref, _ := def["$ref"].(string)
				says, _ = schemaAt(ref)["description"].(string)
			}
			out = append(out, Word{In: in, Word: p, Says: says, Required: slices.Contains(required, p)})
		}
	}
	root := schemaTree.(map[string]any)
	add("", root)
	for _, in := range []string{"estate", "party", "expectation", "item", "injectBody", "namedInject", "decision", "option", "opening", "again", "consequence"} {
		add(in, root["$defs"].(map[string]any)[in].(map[string]any))
	}
	return out
}

// orderedKeys are the properties of a part of the schema in the order of its
// text, which is the order a planner meets them in.
func orderedKeys(in string) []string {
	var whole struct {
		Properties json.RawMessage `json:"properties"`
		Defs       map[string]struct {
			Properties json.RawMessage `json:"properties"`
		} `json:"$defs"`
	}
	if err := json.Unmarshal(schemaText, &whole); err != nil {
		panic("scenario: internal error: " + err.Error())
	}
	raw := whole.Properties
	if in != "" {
		raw = whole.Defs[in].Properties
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	var out []string
	for depth := 0; ; {
		t, err := d.Token()
		if err != nil {
			return out
		}
		switch t := t.(type) {
		case json.Delim:
			if t == '{' || t == '[' {
				depth++
			} else {
				depth--
			}
		case string:
			if depth == 1 {
				out = append(out, t)
				var skip json.RawMessage
				if err := d.Decode(&skip); err != nil {
					return out
				}
			}
		}
	}
}
