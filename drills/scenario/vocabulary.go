package scenario

import "fmt"

// Vocabulary is what a scenario may talk about beyond the language itself: the
// verbs, the names CEL may use, the bodies that decide, the guidance they weigh.
// It is supplied by whoever carries a drill out (drills/verbs), so that this
// package knows no CA. A Vocabulary is read only once given to Parse; it may be
// shared.
type Vocabulary struct {
	Verbs     []Verb
	Types     []Type     // things that CEL can look into, such as a set of devices
	Names     []Name     // variables, such as fleet
	Functions []Function // functions, such as crl("issuing-oca")

	Bodies     []Body   // who may decide: pma, dcc, supplier
	Recipients []string // who may be told, beside bodies and parties: "dcc service desk"
	Channels   []string // how an inject arrives: mail, call, news
	Labels     []string // classification, lowest first
	Keys       []string // what an option may open: recovery, contingency
	Categories []string // of parties
	Roles      []string // of parties
	Implied    []string // parties of every drill, which no scenario declares: "acb"
	Steps      []Step   // of the procedure pack
	Factors    []Factor // of the guidance

	// Agree looks at an action as a whole, when each of its words is known: whether
	// they go together. Role gives the role of a party that the scenario names, and
	// "" for any other word. Nil: whatever is known will do.
	Agree func(a Action, role func(party string) string) error
}

// Verb is a word that acts on the world: `do: {replace: supplier, by: method 1}`
// is the verb replace with an object and a parameter. Names may have spaces.
type Verb struct {
	Name   string
	Says   string // one sentence for docs/drill-language.md
	Object Param  // what stands after the verb itself; its Name is for the table
	Params []Param
}

// Param is a parameter of a verb or a function.
//
// In a verb any parameter may instead be `chosen.DECISION`: the option that was
// chosen. The checker then requires that every option of that decision would do.
type Param struct {
	Name     string
	Kind     Kind
	Values   []string // for Choice the words, for Phrase the patterns
	Required bool     // objects are always required
	Default  string   // what an absent parameter means; given to Act
	Says     string
}

// Kind is what may stand in a parameter.
type Kind uint8

// The kinds of parameters.
const (
	Text     Kind = iota + 1 // any text that is not empty
	PartyID                  // a party of the scenario
	Number                   // a whole number, not negative
	Share                    // 2%, 2.5% or "1/50"
	Duration                 // 40 minutes, 12 hours, 2 days
	Time                     // scenario time, 6:00
	Choice                   // one of Values
	Phrase                   // one of Values, in which {party} is a party of the scenario
	Flag                     // true or false
	Key                      // one of Vocabulary.Keys
	BodyID                   // one of Vocabulary.Bodies
)

// Type is a kind of thing that CEL can look into. Fields and results are named
// by type: bool, int, double, string, duration, timestamp, or the Name of
// another Type. Values at run time implement [Object].
type Type struct {
	Name    string
	Says    string
	Fields  []Name
	Methods []Function
}

// Name is a variable, or a field of a Type.
type Name struct {
	Name string
	Type string
	Says string
}

// Function is a function, or a method of a Type. A parameter's Kind says what is
// checked when the scenario is loaded: crl("isuing-oca") is an error with the
// nearest name, not a surprise in the sixth hour. At run time a function is a
// [Func] under its name in the World's names.
type Function struct {
	Name   string
	Params []Param
	Result string
	Says   string
}

// Object is a value whose type is one of Vocabulary.Types.
//
// Get returns a field and Call the result of a method; both return a bool, int,
// int64, float64, string, time.Duration, time.Time or another Object, of the
// declared type. Texts arrive as string, numbers as int64, shares as float64,
// durations as time.Duration.
type Object interface {
	TypeName() string
	Get(field string) (any, error)
	Call(method string, args []any) (any, error)
}

// Func is the implementation of one of Vocabulary.Functions.
type Func func(args []any) (any, error)

// Body is somebody who can be asked for a decision.
type Body struct {
	ID       string // as in `of: pma`
	Name     string
	Members  []Member
	Quorum   int    // votes needed; 0 if the body has no quorum
	Majority string // what one answer must have, in the words of the procedure pack; empty: more than half of the votes cast
	Casting  string // member whose vote counts once more at a tie; empty: nobody's
	Conflict string // what a member with an interest does, in the words of the procedure pack; empty: it has no rule
	// Alternates says who may stand in for a member, in words.
	Alternates string
	Source     string
	Verified   bool // false: shown as "sample"
}

// Member is a seat of a body.
type Member struct {
	ID   string
	Name string
	Vote bool // false: attends without a vote
	// Alternate is who stands in, by office or in words; empty: as the body says.
	Alternate string
}

// Step is a step of the procedure pack.
type Step struct {
	ID, Says string
	Verified bool
}

// Factor is a point of the guidance. Force is "shall" or "may"; Keys are those
// it applies to, none meaning all.
type Factor struct {
	ID, Text, Force string
	Keys            []string
	Verified        bool
}

// sound checks what CEL does not: every parameter has a kind and a name of its
// own within its verb, and every verb has a name of its own.
func (v Vocabulary) sound() error {
	verbs := map[string]bool{}
	for _, x := range v.Verbs {
		if x.Name == "" || verbs[x.Name] {
			return fmt.Errorf("verb %q: a verb has a name of its own", x.Name)
		}
		verbs[x.Name] = true
		names := map[string]bool{x.Name: true}
		for i, p := range append([]Param{x.Object}, x.Params...) {
			if p.Kind < Text || p.Kind > BodyID {
				return fmt.Errorf("verb %q: parameter %q has no kind", x.Name, p.Name)
			}
			if i > 0 && names[p.Name] {
				return fmt.Errorf("verb %q: two things are called %q", x.Name, p.Name)
			}
			names[p.Name] = i > 0 || names[p.Name]
		}
	}
	return nil
}
