package msel_test

import (
	"os"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"smki.example/drills/msel"
	"smki.example/drills/procedure"
	"smki.example/drills/scenario"
	"smki.example/drills/verbs"
)

func words(t testing.TB) scenario.Vocabulary {
	t.Helper()
	pack, err := procedure.Sample()
	require.NoError(t, err)
	return verbs.Vocabulary(pack)
}

func read(t testing.TB, text string) *msel.List {
	t.Helper()
	l, err := msel.Read("list.csv", []byte(text), words(t))
	require.NoError(t, err)
	return l
}

func told(remarks []msel.Remark) string {
	var lines []string
	for _, r := range remarks {
		lines = append(lines, r.String())
	}
	return strings.Join(lines, "\n")
}

// A planner's list as it comes out of a spreadsheet becomes a drill that can be
// played without a change.
func TestAPlannersListIsADrill(t *testing.T) {
	t.Parallel()
	b, err := os.ReadFile("testdata/planner.csv")
	require.NoError(t, err)
	l := read(t, string(b))
	require.Empty(t, l.Problems, told(l.Problems))
	require.Len(t, l.Events, 6)
	first := l.Events[0]
	require.Equal(t, 5, first.Row, "the row is the spreadsheet's, two title rows and the header included")
	require.Equal(t, 5*time.Minute, first.At)
	require.Equal(t, []string{"dcc service desk"}, first.To)
	require.Equal(t, "mail", first.Channel)
	require.Equal(t, "A tape is missing. It held our signing key.", first.Text)
	require.Equal(t, []string{"Expected: Open an incident; call a nominated officer back", "Controller: JS"}, first.Remarks)
	require.Equal(t, "6", l.Events[4].Serial, "10:10 comes before 10:30, whatever their order in the list")
	require.Equal(t, []string{"dcc", "ssc"}, l.Events[4].To)
	require.Equal(t, []string{"pma chair", "press", "panel"}, l.Events[5].To)
	require.Equal(t, 2*time.Hour, l.Ends)
	require.Contains(t, told(l.Notes), "counted from 9:00")
	require.Contains(t, told(l.Notes), `row 11, column I (Status): "Cancelled": the row is left out`)
	require.Contains(t, told(l.Notes), "not in order of time")
	require.Contains(t, told(read(t, "Time,Method,To,Text\n0:00,Email,pma,a\n0:01,Email,pma,b\n0:02,Email,pma,c\n").Notes),
		`row 2 and 2 more, column B (Method): "Email" arrives as "mail"`, "what holds for a whole column is said once")

	text := l.Scenario(msel.Frame{})
	s, err := scenario.Parse("list.yaml", text, words(t))
	require.NoError(t, err, string(text))
	require.Len(t, s.Timeline, 6)
	require.Contains(t, s.Lost, "nothing", "no summary says that devices trust a stolen key")
	require.Equal(t, 2*time.Hour, s.Ends)
	require.Equal(t, `A caller, "head of security"`, s.Timeline[1].Inject.From)
	require.Equal(t, "question 4", s.Timeline[3].Decide)
	require.Equal(t, "pma", s.Decisions[0].Of)
	require.Contains(t, string(text), "# Expected: Chair asks: confirmed by whom?")
	again, err := scenario.Format("list.yaml", text)
	require.NoError(t, err)
	require.Equal(t, string(text), string(again), "it stands in the one form of the language")
}

func TestProblemsAreNamedByRowAndColumn(t *testing.T) {
	t.Parallel()
	const header = "Serial,Time,From,To,Method,Text\n"
	for name, row := range map[string]struct{ list, want string }{
		"a time that is none":            {header + "1,0:00,x,pma,mail,a\n2,soon,x,pma,mail,b\n", `row 3, column B (Time): "soon" is no time; write hours and minutes from the start, such as 0:30`},
		"a number without a unit":        {header + "1,45,x,pma,mail,a\n", `row 2, column B (Time): "45" is no time; write hours and minutes from the start, such as 0:45 (45 minutes), or T+45`},
		"an hour of 75 minutes":          {header + "1,0:75,x,pma,mail,a\n", `row 2, column B (Time): "0:75" is no time`},
		"no time":                        {header + "1,,x,pma,mail,a\n", "row 2, column B (Time): there is no time"},
		"a name with a slip":             {header + "1,0:00,x,PMA Chiar,mail,a\n", `row 2, column D (To): "PMA Chiar" is nobody who can be told: did you mean "pma chair"?`},
		"somebody nobody knows":          {header + "1,0:00,x,the fire brigade,mail,a\n", `row 2, column D (To): "the fire brigade" is nobody who can be told: write one of dcc service desk,`},
		"nobody":                         {header + "1,0:00,x,,mail,a\n", "row 2, column D (To): nobody is told: write one of"},
		"a way that is none":             {header + "1,0:00,x,pma,carrier pigeon,a\n", `row 2, column E (Method): "carrier pigeon" is no way in which something arrives: write one of mail, call, report, news, dashboard`},
		"no text":                        {header + "1,0:00,x,pma,mail,\n2,0:01,x,pma,mail,b\n", "row 2, column F (Text): there is no text, so nobody would be told anything: the row is left out"},
		"a question to nobody who votes": {header + "1,0:00,x,press,decision,a\n", `row 2, column D (To): "press" decides nothing: a question is put to one of pma,`},
		"rows are counted with empty lines and line ends in cells": {header + "\n1,0:00,x,pma,mail,\"a\nb\"\n\n\n2,never,x,pma,mail,b\n", `row 6, column B (Time): "never" is no time`},
		"after the end":      {header + "1,0:00,x,pma,mail,a\n2,0:30,,pma,,ENDEX\n3,0:40,x,pma,mail,late\n", "row 4: it comes after the end of the exercise, 0:30, and would never be told"},
		"no column of times": {"To,Text\npma,a\n", "no column has the times"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			require.Contains(t, told(read(t, row.list).Problems), row.want)
		})
	}
}

// Whoever is not found stands in the text as it was written, so that the check of
// the scenario says the same at a line, where it can be mended.
func TestWhatIsLeftWrongStandsAtItsLine(t *testing.T) {
	t.Parallel()
	l := read(t, "Time,To,Text\n0:00,PMA Chiar,a\n")
	_, err := scenario.Parse("list.yaml", l.Scenario(msel.Frame{}), words(t))
	require.ErrorContains(t, err, `unknown recipient "pma chiar": did you mean "pma chair"?`)
}

func TestTimes(t *testing.T) {
	t.Parallel()
	for cells, want := range map[string][]time.Duration{
		"0:00|0:30|1:05:30":                          {0, 30 * time.Minute, time.Hour + 5*time.Minute + 30*time.Second},
		"09:00|09:30|13:00":                          {0, 30 * time.Minute, 4 * time.Hour},
		"0900|0930hrs|1000Z":                         {0, 30 * time.Minute, time.Hour},
		"9:00 am|12:15 pm|1pm":                       {0, 195 * time.Minute, 4 * time.Hour},
		"T+0|T+45|T+1:30|+2h":                        {0, 45 * time.Minute, 90 * time.Minute, 2 * time.Hour},
		"STARTEX|STARTEX + 30|startex+90 min":        {0, 30 * time.Minute, 90 * time.Minute},
		"0 min|40 minutes|1 hour|1h30|2 hours 5 min": {0, 40 * time.Minute, time.Hour, 90 * time.Minute, 125 * time.Minute},
		"Day 1 09:00|Day 2 09:00":                    {0, 24 * time.Hour},
		"D+0 0900|D+1 0930":                          {0, 24*time.Hour + 30*time.Minute},
		"2026-02-28 22:00|2026-03-01T01:00":          {0, 3 * time.Hour},
		"04/03/2026 09:00|05/03/26 09:00":            {0, 24 * time.Hour},
		"Mon 09:00|Monday, 09:45":                    {0, 45 * time.Minute},
		"22:00|23:30|00:30|01:00":                    {0, 90 * time.Minute, 150 * time.Minute, 3 * time.Hour},
		"0:10|0:20":                                  {10 * time.Minute, 20 * time.Minute},
	} {
		t.Run(cells, func(t *testing.T) {
			t.Parallel()
			list := "Time;To;Text\n"
			for _, c := range strings.Split(cells, "|") {
				list += c + ";pma;something\n"
			}
			l := read(t, list)
			require.Empty(t, told(l.Problems))
			var got []time.Duration
			for _, e := range l.Events {
				got = append(got, e.At)
			}
			require.Equal(t, want, got)
		})
	}
	l := read(t, "Elapsed (min),To,Text\n0,pma,a\n45,pma,b\n120,pma,c\n")
	require.Empty(t, told(l.Problems))
	require.Equal(t, 2*time.Hour, l.Events[2].At, "a heading in minutes says what its numbers are")
}

func TestForms(t *testing.T) {
	t.Parallel()
	const plain = "Time,From,To,Method,Text\n0:10,The Chair’s office – DCC,PMA,e-mail,Où?\n"
	sixteen := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(strings.ReplaceAll(plain, ",", "\t"))) {
		sixteen = append(sixteen, byte(u), byte(u>>8))
	}
	for name, b := range map[string][]byte{
		"UTF-8":                    []byte(plain),
		"with a mark and CRLF":     []byte("\ufeff" + strings.ReplaceAll(plain, "\n", "\r\n")),
		"semicolons":               []byte(strings.ReplaceAll(plain, ",", ";")),
		"UTF-16 with tabs":         sixteen,
		"Windows-1252":             []byte("Time,From,To,Method,Text\n0:10,The Chair\x92s office \x96 DCC,PMA,e-mail,O\xf9?\n"),
		"other names, other order": []byte("Narrative,Medium,Training Audience,Simulated sender,Event time\nOù?,Email,SMKI PMA,The Chair’s office – DCC,0:10\n"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := msel.Read("l.csv", b, words(t))
			require.NoError(t, err)
			require.Empty(t, told(l.Problems))
			require.Len(t, l.Events, 1)
			e := l.Events[0]
			require.Equal(t, 10*time.Minute, e.At)
			require.Equal(t, []string{"pma"}, e.To)
			require.Equal(t, "mail", e.Channel)
			require.Equal(t, "The Chair’s office – DCC", e.From)
			require.Equal(t, "Où?", e.Text)
		})
	}
}

func TestNoList(t *testing.T) {
	t.Parallel()
	for name, row := range map[string]struct{ list, want string }{
		"nothing":               {"", "no row among the first 20 names the columns"},
		"prose":                 {"Dear all,\nplease find attached.\n", "names the columns"},
		"a workbook":            {"PK\x03\x04 and so on", `save that as "CSV UTF-8"`},
		"a header alone":        {"Time,To,Text\n,,\n", "below the names of the columns (row 1) there is no row with a text"},
		"bytes":                 {"Time,Text\n\x00\x01", "this is no text"},
		"more than can be read": {strings.Repeat("x", msel.MaxBytes+1), "export the sheet of injects alone"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := msel.Read("l.csv", []byte(row.list), words(t))
			require.ErrorContains(t, err, row.want)
		})
	}
}

// Whatever stands in the cells of a list without problems, the scenario can be read
// and says it: no text can become a word of the language.
func TestTextsStayTexts(t *testing.T) {
	t.Parallel()
	v := words(t)
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.StringMatching(`[a-z#"'{}\[\]:\\|>&*!%@,\-?\x{e9}\x{4e2d}\x{1f525} ]{0,30}[a-z]`).Draw(t, "text")
		from := rapid.StringMatching(`[a-z#"'{}\[\]:\\ ]{0,20}[a-z]`).Draw(t, "from")
		quote := func(s string) string { return `"` + strings.ReplaceAll(s, `"`, `""`) + `"` }
		l, err := msel.Read("l.csv", []byte("Time,To,From,Text,Remarks\n0:01,pma,"+quote(from)+","+quote(text)+","+quote(text)+"\n"), v)
		require.NoError(t, err)
		require.Empty(t, l.Problems)
		if len(l.Events) == 0 {
			return
		}
		source := l.Scenario(msel.Frame{})
		s, err := scenario.Parse("l.yaml", source, v)
		require.NoError(t, err, string(source))
		require.Equal(t, strings.Join(strings.Fields(text), " "), s.Timeline[0].Inject.Text)
		require.Equal(t, strings.Join(strings.Fields(from), " "), s.Timeline[0].Inject.From)
	})
}

func FuzzRead(f *testing.F) {
	b, err := os.ReadFile("testdata/planner.csv")
	require.NoError(f, err)
	f.Add(b)
	f.Add([]byte("Time,To,Text\n9:00,pma,a\n8:00,pma,b\n"))
	f.Add([]byte("Time;Text\nD+1 0900;x\n\xff;y"))
	v := words(f)
	f.Fuzz(func(t *testing.T, b []byte) {
		l, err := msel.Read("l.csv", b, v)
		if err != nil {
			return
		}
		for _, e := range l.Events {
			require.GreaterOrEqual(t, e.At, time.Duration(0))
			require.NotEmpty(t, e.To)
		}
		if _, err := scenario.Parse("l.yaml", l.Scenario(msel.Frame{}), v); err != nil && len(l.Problems) == 0 {
			t.Fatalf("nothing was told, and the scenario says: %v\n%s", err, l.Scenario(msel.Frame{}))
		}
	})
}
