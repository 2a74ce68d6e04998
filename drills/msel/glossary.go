package msel

import (
	"fmt"
	"slices"
	"strings"

	"smki.example/drills/scenario"
)

// A glossary knows whom a scenario can tell something, and how.
type glossary struct {
	channels []string
	told     []string          // everybody, in the vocabulary's words
	bodies   []string          // of them those that decide
	first    string            // body that is meant where none is named
	aliases  map[string]string // other ways to say it
	free     bool              // no vocabulary: every word will do
}

// frameParties are those of the scenario that List.Scenario writes.
var frameParties = []string{"supplier", "network"}

func newGlossary(v scenario.Vocabulary) *glossary {
	g := &glossary{channels: v.Channels, aliases: map[string]string{}, free: len(v.Recipients)+len(v.Bodies) == 0}
	if len(g.channels) == 0 {
		g.channels = []string{"mail", "call", "report", "news"}
	}
	g.told = slices.Clone(v.Recipients)
	for _, b := range v.Bodies {
		if !slices.Contains(g.told, b.ID) {
			g.told = append(g.told, b.ID)
		}
		g.bodies = append(g.bodies, b.ID)
		g.aliases[plainName(b.Name)] = b.ID
		for _, m := range b.Members {
			for _, name := range []string{b.ID + " " + m.ID, b.ID + " " + m.Name, b.Name + " " + m.Name, b.Name + " " + m.ID, m.Name + " of " + b.Name, m.Name + " of the " + b.Name} {
				to := b.ID
				if slices.Contains(v.Recipients, b.ID+" "+m.ID) {
					to = b.ID + " " + m.ID
				}
				if _, known := g.aliases[plainName(name)]; !known {
					g.aliases[plainName(name)] = to
				}
			}
		}
	}
	for _, p := range frameParties {
		if !slices.Contains(g.told, p) {
			g.told = append(g.told, p)
		}
	}
	if len(g.bodies) > 0 {
		g.first = g.bodies[0]
	}
	for name, to := range map[string]string{
		"dcc": "dcc service desk", "service desk": "dcc service desk", "dcc smki team": "dcc service desk", "dcc helpdesk": "dcc service desk", "service centre": "dcc service desk", "dcc service centre": "dcc service desk",
		"pma": "pma", "smki pma": "pma", "committee": "pma", "pma members": "pma", "all pma members": "pma", "chair": "pma chair", "chair of pma": "pma chair", "chair of smki pma": "pma chair", "pma chairman": "pma chair", "pma chairperson": "pma chair", "smki pma chair": "pma chair",
		"sec panel": "panel", "ssc": "security sub-committee", "security subcommittee": "security sub-committee", "security sub committee": "security sub-committee", "key custodians": "custodians", "key custodian": "custodians", "custodian": "custodians", "all custodians": "custodians",
		"media": "press", "journalists": "press", "ofgem": "authority", "regulator": "authority", "affected supplier": "supplier", "affected subscriber": "supplier", "energy supplier": "supplier", "supplier a": "supplier", "dno": "network", "network operator": "network",
	} {
		if slices.Contains(g.told, to) && !slices.Contains(g.told, name) {
			g.aliases[name] = to
		}
	}
	return g
}

// plainName is a name in small letters, without an article and without dots.
func plainName(s string) string {
	s = strings.ToLower(clean(s))
	s = strings.NewReplacer(".", "", ",", " ", "'", "", "’", "").Replace(s)
	s = strings.Join(strings.Fields(s), " ")
	return strings.TrimPrefix(s, "the ")
}

// everybody are words for all players.
var everybody = []string{"all", "all players", "everyone", "everybody", "all participants", "players", "all exercise players", "whole room", "plenary", "team", "all teams"}

// people reads a list of those who are told. guessed are sentences about what was
// not written as it is read.
func (g *glossary) people(cell string) (to, guessed, unknown []string) {
	add := func(names ...string) {
		for _, n := range names {
			if !slices.Contains(to, n) {
				to = append(to, n)
			}
		}
	}
	one := func(name string) bool {
		plain := plainName(name)
		switch {
		case plain == "":
			return true
		case slices.Contains(g.told, plain):
			add(plain)
		case g.aliases[plain] != "":
			add(g.aliases[plain])
			guessed = append(guessed, fmt.Sprintf("%q is read as %q", clean(name), g.aliases[plain]))
		case slices.Contains(everybody, plain) && len(g.bodies) > 0:
			add(g.bodies...)
			guessed = append(guessed, fmt.Sprintf("%q is read as every body that decides: %s", clean(name), strings.Join(g.bodies, ", ")))
		case g.free:
			add(plain)
		default:
			return false
		}
		return true
	}
	if one(cell) {
		return to, guessed, nil
	}
	for _, name := range strings.FieldsFunc(cell, func(r rune) bool { return strings.ContainsRune(";,/&+\n|", r) }) {
		if one(name) {
			continue
		}
		parts := strings.Split(strings.ToLower(clean(name)), " and ")
		if len(parts) > 1 && !slices.ContainsFunc(parts, func(p string) bool { return !g.knows(p) }) {
			for _, p := range parts {
				one(p)
			}
			continue
		}
		unknown = append(unknown, clean(name))
	}
	return to, guessed, unknown
}

func (g *glossary) knows(name string) bool {
	plain := plainName(name)
	return slices.Contains(g.told, plain) || g.aliases[plain] != "" || slices.Contains(everybody, plain)
}

// bodyOf finds the body of somebody who is told, such as pma of pma chair.
func (g *glossary) bodyOf(name string) (string, bool) {
	for _, b := range g.bodies {
		if name == b || strings.HasPrefix(name, b+" ") {
			return b, true
		}
	}
	return "", false
}

// channel says how something arrives. guessed says that it was not written so.
// Empty: there is no such way.
func (g *glossary) channel(cell string) (channel string, guessed bool) {
	plain := plainName(cell)
	if slices.Contains(g.channels, plain) {
		return plain, false
	}
	if plain == "" || plain == "-" || plain == "tbc" || plain == "tbd" {
		return g.channels[0], true
	}
	for _, w := range []struct {
		channel string
		words   []string
	}{
		{"mail", []string{"mail", "letter", "memo", "courier", "message", "chat", "teams message", "sms", "text message", "fax", "written"}},
		{"call", []string{"phone", "call", "radio", "verbal", "voice", "in person", "face to face", "spoken", "oral", "video", "walk-in"}},
		{"news", []string{"news", "press", "media", "twitter", "tweet", "tv", "television", "broadcast", "blog", "post"}},
		{"dashboard", []string{"dashboard", "screen", "monitor", "alert", "alarm", "system", "siem", "console", "display"}},
		{"report", []string{"report", "sitrep", "brief", "document", "handout", "paper", "slide", "presentation", "pdf", "form"}},
	} {
		if slices.Contains(g.channels, w.channel) && slices.ContainsFunc(w.words, func(s string) bool { return strings.Contains(plain, s) }) {
			return w.channel, true
		}
	}
	if near, is := scenario.Nearest(plain, g.channels); is {
		return near, true
	}
	return "", false
}
