package report_test

import (
	"bytes"
	"fmt"
	"html"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/library"
	"smki.example/drills/procedure"
	"smki.example/drills/report"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

func shipped(t *testing.T, id string) (*scenario.Scenario, *procedure.Pack) {
	t.Helper()
	pack, err := procedure.Sample()
	require.NoError(t, err)
	s, err := library.Load(id, verbs.Vocabulary(pack))
	require.NoError(t, err)
	return s, pack
}

func written(t *testing.T, s *scenario.Scenario, pack *procedure.Pack, reader report.Reader) string {
	t.Helper()
	p, err := report.NewPaper(s, pack, reader, false)
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, p.HTML(&b))
	return b.String()
}

var (
	styles = regexp.MustCompile(`(?s)<style>.*?</style>`)
	tags   = regexp.MustCompile(`<[^>]*>`)
	notAZ  = regexp.MustCompile(`[^a-z0-9|]+`)
)

// words is a text as a row of words, so that neither punctuation nor line breaks
// hide that two texts say the same. A bar stands where a page has a tag: what
// stands on both sides of it is not one text.
func words(text string) string {
	return " " + strings.Trim(notAZ.ReplaceAllString(strings.ToLower(text), " "), " ") + " "
}

func read(page string) string {
	return words(html.UnescapeString(tags.ReplaceAllString(styles.ReplaceAllString(page, " "), " | ")))
}

// secrets are what a scenario keeps from players until it happens, each with where
// it stands.
func secrets(s *scenario.Scenario) map[string]string {
	out := map[string]string{}
	add := func(where, text string) { out[where] = text }
	event := func(where string, e scenario.Event) {
		switch {
		case e.Inject != nil:
			add(where+", text of the inject", e.Inject.Text)
			add(where+", sender of the inject", e.Inject.From)
		case e.Do != nil:
			add(where+", act", e.Do.Verb+" "+e.Do.Object.String())
		}
	}
	for _, item := range s.Timeline {
		event("timeline "+item.Step, item.Event)
		if item.If != nil {
			add("timeline "+item.Step+", if", item.If.Source)
		}
		if item.When != nil {
			add("timeline "+item.Step+", when", item.When.Source)
		}
	}
	for _, i := range s.Injects {
		add("inject "+i.Name, i.Text)
	}
	for _, d := range s.Decisions {
		add("briefing of "+d.Name, d.Briefing)
		add("question "+d.Name, d.Asks)
		for _, o := range d.Options {
			add("option "+o.Name+" of "+d.Name, o.Says)
			add("basis of "+o.Name+" of "+d.Name, o.Basis)
			for _, t := range o.Then {
				event("then of "+o.Name+" of "+d.Name, t.Event)
			}
		}
		for _, a := range d.Assessed {
			add("assessment of "+a.Factor+" in "+d.Name, a.Finding)
		}
	}
	add("title", s.Title)
	add("lost", s.Lost)
	for _, f := range s.Findings {
		add("finding", f.Says)
	}
	for n, line := range strings.Split(string(s.Source), "\n") {
		if text, is := strings.CutPrefix(strings.TrimSpace(line), "#"); is {
			add(fmt.Sprintf("comment in line %d", n+1), text)
		}
	}
	return out
}

// told is what a player may read: the public members of the scenario and the
// procedure pack's own words.
func told(t *testing.T, s *scenario.Scenario, pack *procedure.Pack) string {
	t.Helper()
	public := []string{s.About, string(pack.Text)}
	for _, p := range s.Parties {
		public = append(public, p.Name, p.ID)
	}
	blank, err := scenario.Parse("blank.yaml", []byte(nothing), verbs.Vocabulary(pack))
	require.NoError(t, err)
	return words(strings.Join(public, " . ")) + read(written(t, blank, pack, report.Player))
}

// nothing is a drill without a secret: what stands in its players' papers stands
// in those of every drill.
const nothing = `# DRAFT, UNREVIEWED
drill: 1
id: X00
title: Nothing
label: WHITE
rehearses: [notification]
minutes: 5
estate: {devices: 10, rate: 10 an hour (sample)}
parties: {supplier: {name: A, category: large supplier, role: supplier}}
steady: [{expect: fleet.count > 0, says: there is an estate}]
timeline: [{at: 0:10, decide: it}]
decisions:
  it:
    asks: What?
    of: pma
    weighs: guidance
    assessed: {evidence: a, attacker: a, devices: a, harm: a, own key: a, race: a, exposure: a, unreached: a, custodians: a}
    options: {one: {says: a}, two: {says: b}}
    scripted: one
    on silence: two
    within: 10 minutes
findings: [{expect: fleet.count > 0, says: there is an estate}]
`

// leaks are the secrets of a scenario that a paper tells: every run of five words,
// unless what players may know has the same five words.
func leaks(paper, public string, s *scenario.Scenario) []string {
	var out []string
	for where, text := range secrets(s) {
		list := strings.Fields(words(text))
		for i := 0; i+5 <= len(list); i++ {
			run := " " + strings.Join(list[i:i+5], " ") + " "
			if strings.Contains(paper, run) && !strings.Contains(public, run) {
				out = append(out, where+":"+run)
				break
			}
		}
	}
	return out
}

// No answer, inject, consequence or hidden comment of any shipped drill is in its
// players' papers.
func TestPlayersPapersHoldNoAnswers(t *testing.T) {
	t.Parallel()
	for _, id := range library.IDs() {
		t.Run(id, func(t *testing.T) {
			t.Parallel()
			s, pack := shipped(t, id)
			paper := read(written(t, s, pack, report.Player))
			require.Empty(t, leaks(paper, told(t, s, pack), s))
			for _, word := range []string{" expected answer ", " scripted ", " the author expects ", " basis ", " run sheet "} {
				require.NotContains(t, paper, word)
			}
			for _, step := range pack.Steps {
				if step.Tells {
					require.NotContains(t, paper, words(step.Says), "step %q tells how the drill goes", step.ID)
				}
			}
		})
	}
}

// The test above would see a leak: the facilitator's paper holds what players must
// not read.
func TestFacilitatorsPapersHoldEverything(t *testing.T) {
	t.Parallel()
	for _, id := range library.IDs() {
		s, pack := shipped(t, id)
		page := written(t, s, pack, report.Facilitator)
		paper := read(page)
		for _, i := range s.Timeline {
			if i.Inject != nil {
				require.Contains(t, paper, words(i.Inject.Text))
			}
		}
		for _, d := range s.Decisions {
			for _, o := range d.Options {
				require.Contains(t, paper, words(o.Says), "%s: option %q of %q", id, o.Name, d.Name)
				if o.Expected {
					require.Contains(t, paper, words(o.Basis))
				}
			}
		}
		require.NotEmpty(t, leaks(paper, told(t, s, pack), s), "what finds no leak here would find none anywhere")
		require.Contains(t, page, pack.Confidential(), "answers are confidential")
		require.Contains(t, paper, " for the facilitator alone ")
	}
}

func TestObserversPapers(t *testing.T) {
	t.Parallel()
	s, pack := shipped(t, "S01")
	paper := read(written(t, s, pack, report.Observer))
	for _, text := range []string{"Rating sheet", "P | | S | | M | | U", "unable to be performed", "question recovery key", "step notification", "is rated the step is"} {
		require.Contains(t, paper, words(text))
	}
	for _, x := range s.Rehearses {
		step, _ := pack.Step(x)
		require.Contains(t, paper, words(step.Evidence), "what shows that %q was done", x)
	}
}

func TestPaperForms(t *testing.T) {
	t.Parallel()
	s, pack := shipped(t, "S02")
	for _, reader := range report.Readers() {
		for _, large := range []bool{false, true} {
			p, err := report.NewPaper(s, pack, reader, large)
			require.NoError(t, err)
			var page, first, second bytes.Buffer
			require.NoError(t, p.HTML(&page))
			require.NotContains(t, page.String(), "ZgotmplZ")
			require.NotContains(t, page.String(), "<script")
			require.NotContains(t, page.String(), "http:")
			require.NotContains(t, page.String(), "https:")
			require.NoError(t, p.PDF(&first))
			require.NoError(t, p.PDF(&second))
			require.Equal(t, first.Bytes(), second.Bytes(), "one drill, one paper")
			require.NotContains(t, first.String(), "\xef\xbf\xbd")
		}
	}
	_, err := report.NewPaper(s, pack, "guest", false)
	require.ErrorContains(t, err, "player, facilitator or observer")
}
