package console_test

import (
	"bytes"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"smki.example/drills/report"
	"smki.example/drills/room"
)

// upload sends a file as the page's form does.
func (c *client) upload(token, name, content string) answer {
	c.t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	require.NoError(c.t, form.WriteField("token", token))
	part, err := form.CreateFormFile("file", name)
	require.NoError(c.t, err)
	_, err = part.Write([]byte(content))
	require.NoError(c.t, err)
	require.NoError(c.t, form.Close())
	r := httptest.NewRequest(http.MethodPost, c.world.server.URL+"/setup/upload", &b)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Origin", c.world.server.URL)
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return c.send(r)
}

// plain is a page's text without its tags.
func plain(page string) string {
	page = regexp.MustCompile(`(?s)<[^>]*>`).ReplaceAllString(page, " ")
	page = strings.NewReplacer("&#34;", `"`, "&#39;", "'", "&lt;", "<", "&gt;", ">", "&amp;", "&").Replace(page)
	return strings.Join(strings.Fields(page), " ")
}

func showing(w *world, view *room.View) {
	w.set(func(f *fake) { f.views = func(room.Person) *room.View { c := *view; return &c } })
}

func TestAScenarioIsCheckedAsItIsTyped(t *testing.T) {
	t.Parallel()
	w := newSpeakingWorld(t)
	showing(w, arranging(true))
	morgan := w.joined(t, fakeFacilitator, "Morgan")
	right := source("S01")
	wrong := strings.Replace(right, "to: [dcc service desk]", "to: [dcc service dest]", 1)
	line := strings.Count(wrong[:strings.Index(wrong, "dcc service dest")], "\n") + 1

	part := morgan.request("/setup/check", "token", morgan.token(), "text", wrong)
	part.Header.Set("HX-Request", "true")
	a := morgan.send(part)
	require.Equal(t, http.StatusOK, a.status)
	require.NotContains(t, a.body, "<html", "with scripts only the part is sent")
	require.Contains(t, plain(a.body), "1 mistake")
	require.Contains(t, a.body, `data-line="`+strconv.Itoa(line)+`"`)
	require.Contains(t, plain(a.body), `unknown recipient "dcc service dest": did you mean "dcc service desk"?`)

	a = morgan.post("/setup/check", "token", morgan.token(), "text", wrong)
	require.Contains(t, a.body, "<html", "without scripts it is the page")
	require.Contains(t, plain(a.body), "did you mean")
	require.Contains(t, a.body, "dcc service dest]", "what was typed is still there")
	require.Contains(t, plain(morgan.post("/setup/check", "token", morgan.token(), "text", right).body), "Nothing is wrong with it.")
	require.Empty(t, w.acts(), "checking arranges nothing")
}

// What a planner has in a spreadsheet stands in the editor after it was read, with
// what could not be read by row and column; nothing is arranged by that.
func TestAPlannersListIsRead(t *testing.T) {
	t.Parallel()
	w := newSpeakingWorld(t)
	showing(w, arranging(true))
	morgan := w.joined(t, fakeFacilitator, "Morgan")
	a := morgan.upload(morgan.token(), "march.csv", "No,Time,Sender,Recipient,Method,Inject,Expected action\n1,09:00,A bank,DCC service desk,E-mail,Something is lost.,They ask what\n2,soon,A bank,PMA Chiar,Phone,Nothing is lost.,\n")
	require.Equal(t, http.StatusOK, a.status)
	says := plain(a.body)
	require.Contains(t, says, "march.csv: 2 rows became injects and questions")
	require.Contains(t, says, `row 3, column B (Time): "soon" is no time`)
	require.Contains(t, says, `row 3, column D (Recipient): "PMA Chiar" is nobody who can be told: did you mean "pma chair"?`)
	require.Contains(t, says, `row 2, column E (Method): "E-mail" arrives as "mail"`)
	require.Contains(t, says, "# Expected: They ask what")
	require.Contains(t, says, `unknown recipient "pma chiar"`, "what is left wrong stands at its line, too")
	require.Empty(t, w.acts())

	a = morgan.upload(morgan.token(), "march.csv", "Time,To,Text\n0:00,PMA,Something is lost.\n0:10,pma chair,Well?\n")
	require.Contains(t, plain(a.body), "Every row could be read.")
	require.Contains(t, plain(a.body), "Nothing is wrong with it.")
	for name, content := range map[string]string{"list.xlsx": "PK\x03\x04", "list.csv": "Dear all,\n", "drill.yaml": "\xff\xfe\x00"} {
		a = morgan.upload(morgan.token(), name, content)
		require.Equal(t, http.StatusUnprocessableEntity, a.status, name)
		require.Contains(t, plain(a.body), "Not done.", name)
	}
	require.Contains(t, plain(morgan.upload(morgan.token(), "own.yaml", source("S02")).body), "own.yaml stands in the editor")
}

func TestOnlyTheFacilitatorArranges(t *testing.T) {
	t.Parallel()
	w := newSpeakingWorld(t)
	showing(w, arranging(true))
	morgan, ewan := w.joined(t, fakeFacilitator, "Morgan"), w.joined(t, fakeCodes.Player, "Ewan")
	require.Equal(t, http.StatusForbidden, ewan.post("/setup/check", "token", ewan.token(), "text", "drill: 1").status)
	require.Equal(t, http.StatusForbidden, ewan.upload(ewan.token(), "a.yaml", "drill: 1").status)
	require.Equal(t, http.StatusForbidden, w.stranger(t).post("/setup/check", "text", "drill: 1").status)
	require.Equal(t, http.StatusForbidden, morgan.post("/setup/check", "token", ewan.token(), "text", "drill: 1").status, "the token of somebody else's page")
	require.Equal(t, http.StatusForbidden, morgan.upload("", "a.yaml", "drill: 1").status)
	require.Equal(t, http.StatusRequestEntityTooLarge, morgan.upload(morgan.token(), "a.yaml", strings.Repeat("x", 3<<20)).status)
	require.NotContains(t, ewan.get("/?at=text").body, "setup/check")
}

// formOf finds what a form of a page sends if nothing is changed in it.
func formOf(t *testing.T, page, action string) []string {
	t.Helper()
	form := regexp.MustCompile(`(?s)<form[^>]*action="` + action + `".*?</form>`).FindString(page)
	require.NotEmpty(t, form, "no form %s", action)
	text := func(s string) string {
		return strings.NewReplacer("&#34;", `"`, "&#39;", "'", "&lt;", "<", "&gt;", ">", "&#43;", "+", "&amp;", "&").Replace(s)
	}
	attr := func(tag, name string) (string, bool) {
		m := regexp.MustCompile(name + `="([^"]*)"`).FindStringSubmatch(tag)
		if m == nil {
			return "", false
		}
		return text(m[1]), true
	}
	var pairs []string
	for _, tag := range regexp.MustCompile(`<input[^>]*>`).FindAllString(form, -1) {
		name, named := attr(tag, "name")
		kind, _ := attr(tag, "type")
		if !named || (kind == "checkbox" || kind == "radio") && !strings.Contains(tag, " checked") {
			continue
		}
		value, _ := attr(tag, " value")
		pairs = append(pairs, name, value)
	}
	for _, m := range regexp.MustCompile(`(?s)<textarea[^>]* name="([^"]*)"[^>]*>(.*?)</textarea>`).FindAllStringSubmatch(form, -1) {
		pairs = append(pairs, m[1], text(m[2]))
	}
	for _, m := range regexp.MustCompile(`(?s)<select[^>]* name="([^"]*)".*?</select>`).FindAllStringSubmatch(form, -1) {
		if o := regexp.MustCompile(`<option value="([^"]*)" selected>`).FindStringSubmatch(m[0]); o != nil {
			pairs = append(pairs, m[1], text(o[1]))
		}
	}
	return pairs
}

// Each part of the setup keeps what the others said: a form that is sent as it came
// changes nothing.
func TestSettingUpForgetsNothing(t *testing.T) {
	t.Parallel()
	w := newSpeakingWorld(t)
	view := arranging(true)
	view.Sheet.Speed, view.Sheet.Seed, view.Sheet.Blind, view.Exercise.Solo, view.Sheet.SoloDecides, view.Exercise.Score = 60, 7, true, true, true, true
	view.Seats[2].Offered = false
	showing(w, view)
	morgan := w.joined(t, fakeFacilitator, "Morgan")
	last := func() room.Arrange { return w.acts()[len(w.acts())-1].Act.(room.Arrange) }

	a := morgan.post("/act/arrange", formOf(t, morgan.get("/?at=settings").body, "/act/arrange")...)
	require.Equal(t, http.StatusSeeOther, a.status, a.body)
	require.Contains(t, a.header.Get("Location"), "at=doors")
	got := last()
	require.Equal(t, source("S02"), got.Text)
	require.Equal(t, []any{200, int64(7), 60.0, true, true, true, true}, []any{got.Devices, got.Seed, got.Speed, got.Blind, got.Solo, got.SoloDecides, got.Score})
	require.Len(t, got.Seats, len(view.Seats)-1)

	morgan.post("/act/arrange", formOf(t, morgan.get("/?at=text").body, "/act/arrange")...)
	got = last()
	require.Equal(t, source("S02"), got.Text)
	require.Equal(t, []any{int64(7), 60.0, true, true, true, true}, []any{got.Seed, got.Speed, got.Blind, got.Solo, got.SoloDecides, got.Score})

	morgan.post("/act/arrange", formOf(t, morgan.get("/?at=drill").body, "/act/arrange")...)
	got = last()
	require.Equal(t, "S02", got.Scenario)
	require.Empty(t, got.Text, "a drill of the library is named and not copied")
	require.Equal(t, []any{0, int64(7), 60.0, true, true, true, true}, []any{got.Devices, got.Seed, got.Speed, got.Blind, got.Solo, got.SoloDecides, got.Score})

	// A scenario that is refused is still in the editor.
	w.set(func(f *fake) {
		f.refuse = func(room.Person, room.Act) error { return &room.Refusal{Why: "The scenario is not right yet."} }
	})
	a = morgan.act("arrange", "back", "/?at=text", "text", "drill: 1\nid: <MINE>\n")
	require.Equal(t, http.StatusConflict, a.status)
	require.Contains(t, plain(a.body), "The scenario is not right yet.")
	require.Contains(t, a.body, "id: &lt;MINE&gt;")
}

// The finishing of a question, an inject, a decision to go back to and a proposal
// are forms that say what they are about.
func TestFormsOfTheFacilitator(t *testing.T) {
	t.Parallel()
	w := newSpeakingWorld(t)
	morgan := w.joined(t, fakeFacilitator, "Morgan")
	send := func(path, action string, change ...string) room.Act {
		before := len(w.acts())
		a := morgan.post(action, append(change, formOf(t, morgan.get(path).body, action)...)...)
		require.Equal(t, http.StatusSeeOther, a.status, a.body)
		require.Len(t, w.acts(), before+1)
		return w.acts()[before].Act
	}
	showing(w, run(asking(room.Discussing)))
	require.Equal(t, room.CallVote{Decision: "recovery key", Asking: 1}, send("/", "/act/call-vote"))
	require.Equal(t, room.CallVote{Decision: "recovery key", Asking: 1, Blind: true}, send("/", "/act/call-vote", "blind", "yes"))
	require.Equal(t, room.Steer{Step: "6", Did: room.Hold}, send("/", "/act/steer"))
	require.Equal(t, room.GoBack{Decision: "confirm", Asking: 0}, send("/", "/act/go-back"))
	require.Equal(t, room.Pace{Speed: 12}, send("/", "/act/pace"))
	require.Equal(t, room.Pause{Why: "coffee"}, send("/", "/act/pause", "why", "coffee"))
	require.Equal(t, room.Stop{Why: "fire alarm"}, send("/", "/act/stop", "why", "fire alarm"))
	require.Equal(t, room.Jot{Text: "look at Chen", Private: true}, send("/", "/act/jot", "text", "look at Chen"))
	showing(w, run(asking(room.Voting)))
	require.Equal(t, room.Reveal{Decision: "recovery key", Asking: 1}, send("/", "/act/reveal"))
	require.Equal(t, room.CloseVote{Decision: "recovery key", Asking: 1}, send("/", "/act/close-vote"))

	showing(w, washed(room.HotWash))
	plan := send("/?at=plan", "/act/plan", "owner", "DCC").(room.Plan)
	require.Equal(t, "1 old key is revoked: the 40 devices that were not reached need the Recovery key or a visit. Who decides?", plan.What)
	require.Equal(t, plan.What, plan.From)
	require.False(t, plan.Due.IsZero(), "a date is proposed")
	require.Equal(t, room.Write{Part: "summary", Text: "The committee required the Recovery key after half an hour of discussion, and all devices that could be reached were recovered."}, send("/?at=wash", "/act/write"))
	require.Equal(t, room.Correct{Entry: 58, Text: "It was 2:30."}, send("/?at=corrections", "/act/correct", "entry", "58", "text", "It was 2:30."))
	require.Equal(t, room.Finish{}, send("/?at=finish", "/act/finish"))
}

// A proposal that was made an action is proposed no more.
func TestWhatIsLeftOpenBecomesAnAction(t *testing.T) {
	t.Parallel()
	w := newSpeakingWorld(t)
	view := washed(room.HotWash)
	showing(w, view)
	morgan := w.joined(t, fakeFacilitator, "Morgan")
	require.Equal(t, 2, strings.Count(morgan.get("/?at=plan").body, "Make it an action"), "the note on counters is an action already")
	view.After.Actions = append(view.After.Actions, report.Action{Number: 2, What: "Ask the Panel", From: "Who tells the Panel?"})
	showing(w, view)
	require.Equal(t, 1, strings.Count(morgan.get("/?at=plan").body, "Make it an action"))
}

// What anybody can type is shown as text on every page of the facilitator.
func TestNoTextIsMarkupForTheFacilitator(t *testing.T) {
	t.Parallel()
	const evil = `"><script>alert(1)</script><b id='`
	w := newSpeakingWorld(t)
	morgan := w.joined(t, fakeFacilitator, evil)
	for _, s := range facilitatorPages() {
		v := *s.view
		for i := range v.People {
			v.People[i].Name = evil
		}
		for i := range v.Seats {
			if v.Seats[i].Holder != nil {
				v.Seats[i].Holder.Name = evil
			}
		}
		for i := range v.Notes {
			v.Notes[i].Text, v.Notes[i].By = evil, evil
		}
		for i := range v.Questions {
			for j := range v.Questions[i].Members {
				m := &v.Questions[i].Members[j]
				m.Name, m.Reason, m.Interest, m.Option, m.Voted = evil, evil, evil, evil, true
			}
		}
		for i := range v.Decided {
			v.Decided[i].Corrections = []room.Correction{{By: evil, Text: evil}}
			v.Decided[i].Asks, v.Decided[i].Answer = evil, evil
		}
		if v.Sheet != nil {
			v.Sheet.Source += "\n# " + evil
			for i := range v.Sheet.Lines {
				v.Sheet.Lines[i].What, v.Sheet.Lines[i].Text = evil, evil
			}
		}
		if v.After != nil {
			for i := range v.After.Actions {
				v.After.Actions[i].What, v.After.Actions[i].Owner = evil, evil
			}
			for i := range v.After.Risks {
				v.After.Risks[i].What = evil
			}
			v.After.Open = []string{evil}
			v.After.Remarks = map[string]string{"summary": evil, "strengths": evil, "improve": evil, "minutes": evil}
		}
		v.Exercise.Trouble, v.Clock.Why = evil, evil
		showing(w, &v)
		a := morgan.get(s.path)
		require.Equal(t, http.StatusOK, a.status, s.name)
		require.NotContains(t, a.body, "<script>alert", s.name)
		require.NotContains(t, a.body, "<b id=", s.name)
	}
}
