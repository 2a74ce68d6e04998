// Package roombook keeps the book of the exercise room: what people did in it.
//
// The journal of a drill (drills/journal) has what the drill did and what was
// decided. The book has the rest of a meeting: who came and sat where, who
// declared an interest, each vote as it was cast and changed, what observers
// noted, and what was said afterwards. It is written before anything is done
// about it, so that a server that is killed in the middle of a vote finds the
// vote again.
//
// Entries are lines of canonical JSON chained by hash. What people typed is not
// in them: an entry holds the salted hash of each text (Text), and the texts
// stand in a file beside it. A text that must not be passed on can so be taken
// out, and the chain still holds; nobody can put another in its place.
//
// Start with Open and Book.Append; Read reads a book back with its texts.
package roombook

// A Text is something that a person typed. In the book it is the hash of the
// text with a salt; the text itself is in the file of texts, unless it was taken
// out.
type Text struct {
	Said string // what was typed; empty if there is none, or it was taken out
	hash string
	gone bool
}

// Say makes a Text of what somebody typed.
func Say(s string) Text { return Text{Said: s} }

// IsZero says that nothing was typed.
func (t Text) IsZero() bool { return t.Said == "" && t.hash == "" }

// Redacted says that there was a text and it was taken out.
func (t Text) Redacted() bool { return t.gone }
