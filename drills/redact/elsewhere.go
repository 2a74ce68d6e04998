package redact

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"smki.example/drills/journal"
	"smki.example/drills/roombook"
)

// How long a text must be for its words elsewhere to count: below, "yes" and "not
// known" would stand everywhere. Names count from fewer letters.
const (
	shortest     = 12
	shortestName = 4
)

// elsewhere refuses to take words out of one place and leave them in another: the
// reason of a vote is in the book as it was typed and in the decision as it was
// counted, and who takes out one mostly means both.
func elsewhere(entries []journal.Entry, b *book, o Options) error {
	var words, names []string
	for _, seq := range o.Texts {
		if e := b.entries[seq-1]; e.Kind == roombook.KindJoined {
			names = append(names, saidIn(e)...)
		} else {
			words = append(words, saidIn(e)...)
		}
	}
	for _, seq := range o.Entries {
		found, err := typed(entries[seq-1])
		if err != nil {
			return err
		}
		words = append(words, found...)
	}
	words = slices.DeleteFunc(words, func(s string) bool { return len([]rune(s)) < shortest })
	words = append(words, slices.DeleteFunc(names, func(s string) bool { return len([]rune(s)) < shortestName })...)
	for i := range words {
		words[i] = bare(words[i])
	}
	words = slices.DeleteFunc(words, func(s string) bool { return strings.TrimSpace(s) == "" })
	var add, stuck []string
	for _, e := range entries {
		if slices.Contains(o.Entries, e.Seq) || e.Kind == journal.KindRedacted || !holds(e.Body, words) {
			continue
		}
		if slices.Contains(Kinds(), e.Kind) {
			add = append(add, fmt.Sprintf("--entry %d", e.Seq))
		} else {
			stuck = append(stuck, fmt.Sprintf("entry %d (%s)", e.Seq, e.Kind))
		}
	}
	for _, e := range b.entries {
		switch {
		case holds(e.Raw, words):
			stuck = append(stuck, fmt.Sprintf("entry %d of the book (%s)", e.Seq, e.Kind))
		case !slices.Contains(o.Texts, e.Seq) && slices.ContainsFunc(saidIn(e), func(s string) bool { return contains(s, words) }):
			add = append(add, fmt.Sprintf("--text %d", e.Seq))
		}
	}
	switch {
	case len(add) == 0 && len(stuck) == 0:
		return nil
	case len(stuck) == 0:
		return refuse("the same words stand in other places: take them out too (%s), or say --leave to leave them", strings.Join(add, " "))
	case len(add) == 0:
		return refuse("the same words stand in %s, which cannot be taken out; say --leave to take them out of the places named alone", strings.Join(stuck, ", "))
	default:
		return refuse("the same words stand in other places: take them out too (%s); %s cannot be taken out. Say --leave to leave them", strings.Join(add, " "), strings.Join(stuck, ", "))
	}
}

// people are the members of an entry in which somebody's own words stand.
var people = []string{"reason", "finding", "evidence", "interest", "conflict", "text", "why", "name"}

// typed are the texts of people in an entry.
func typed(e journal.Entry) ([]string, error) {
	var tree map[string]any
	if err := json.Unmarshal(e.Body, &tree); err != nil {
		return nil, fmt.Errorf("entry %d: %w", e.Seq, err)
	}
	// These are the scenario's and the procedure pack's words, which stand in the
	// question too.
	delete(tree, "options")
	delete(tree, "factors")
	var out []string
	each(tree, func(member, text string) {
		if slices.Contains(people, member) {
			out = append(out, text)
		}
	})
	return out, nil
}

// holds says whether a body has one of the words in one of its texts.
func holds(body []byte, words []string) bool {
	if len(words) == 0 {
		return false
	}
	var tree any
	if json.Unmarshal(body, &tree) != nil {
		return false
	}
	found := false
	each(tree, func(_, text string) { found = found || contains(text, words) })
	return found
}

// contains looks for words that bare made, and compares nothing else: a scenario breaks its lines and quotes as
// its author liked.
func contains(text string, words []string) bool {
	text = bare(text)
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// bare is the words of a text, each with a space before and after it.
func bare(text string) string {
	return " " + strings.Join(strings.FieldsFunc(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }), " ") + " "
}

// each visits the texts of a JSON value, each with the name of its member.
func each(tree any, visit func(member, text string)) { eachIn("", tree, visit) }

func eachIn(member string, tree any, visit func(member, text string)) {
	switch v := tree.(type) {
	case string:
		visit(member, v)
	case []any:
		for _, x := range v {
			eachIn(member, x, visit)
		}
	case map[string]any:
		for name, x := range v {
			eachIn(name, x, visit)
		}
	}
}
