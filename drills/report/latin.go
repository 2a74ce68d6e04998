package report

import "strings"

// plainLetters are the letters of U+0100 to U+017F without their marks, in order:
// the built-in fonts of a PDF have few of them, and a name with the mark missing is
// better than one with the letter missing. Pages have every letter.
const plainLetters = "AaAaAaCcCcCcCcDdDdEeEeEeEeEeGgGgGgGgHhHhIiIiIiIiIiIiJjKkkLlLlLlLlLlNnNnNnnNnOoOoOoOoRrRrRrSsSsSsSsTtTtTtUuUuUuUuUuUuWwYyYZzZzZzs"

// builtIn are the letters and signs beyond Latin-1 that the built-in fonts have.
const builtIn = "€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"

// printable is a text in what a PDF's fonts can show.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r < 0x100 || strings.ContainsRune(builtIn, r):
			return r
		case r < 0x180:
			return rune(plainLetters[r-0x100])
		}
		return '?'
	}, text)
}
