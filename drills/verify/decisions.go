package verify

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
)

// A question as the journal has it: what could be answered, and what had to be
// weighed first.
type question struct {
	Decision string   `json:"decision"`
	Body     string   `json:"body"`
	Voting   *voting  `json:"voting"`
	Deadline string   `json:"deadline"`
	Options  []option `json:"options"`
	Factors  []struct {
		ID    string `json:"id"`
		Force string `json:"force"`
	} `json:"factors"`
}

// voting is the rule by which votes decide, as the question states it.
type voting struct {
	Needed   int      `json:"needed"`
	Voters   []string `json:"voters"`
	Majority string   `json:"majority"`
	Casting  string   `json:"casting"`
	Conflict string   `json:"conflict"` // what a member with an interest does, where that takes the vote away
}

type option struct {
	Name  string `json:"name"`
	Opens string `json:"opens"`
}

// A decision as the journal has it, as far as a key may hang on it.
type decision struct {
	entry entry
	asked question
	body  struct {
		Decision string   `json:"decision"`
		Body     string   `json:"body"`
		Question int64    `json:"question"`
		Chosen   string   `json:"chosen"`
		Opens    string   `json:"opens"`
		Answered string   `json:"answered"`
		Note     string   `json:"note"`
		Options  []option `json:"options"`
		Votes    []vote   `json:"votes"`
		Assessed []struct {
			Factor string `json:"factor"`
		} `json:"assessed"`
		meeting
	}
}

func (a *audit) allDecisions() (map[int64]decision, error) {
	out := map[int64]decision{}
	for _, e := range a.entries {
		if e.Kind != "decision" {
			continue
		}
		d := decision{entry: e}
		if err := json.Unmarshal(e.Body, &d.body); err != nil {
			return nil, fmt.Errorf("entry %d: %v", e.Seq, err)
		}
		q := d.body.Question
		if q < 1 || q >= e.Seq || a.entries[q-1].Kind != "question" {
			return nil, fmt.Errorf("entry %d: the decision %q was answered and never asked", e.Seq, d.body.Decision)
		}
		if err := json.Unmarshal(a.entries[q-1].Body, &d.asked); err != nil {
			return nil, fmt.Errorf("entry %d: %v", q, err)
		}
		out[e.Seq] = d
	}
	return out, nil
}

// decisions checks that each was asked before it was answered, that the answer
// was one of the options asked, that silence opened no key, and, where the answer
// opens one, that every factor which shall be weighed was. Where members are said
// to have decided, their votes are counted again by the rule that the question
// states: a tie, or the most votes without the majority, is no decision, an
// abstention is no vote, and who has no vote for an interest must have cast none.
func (a *audit) decisions() (string, error) {
	if len(a.entries) == 0 {
		return "", errGround
	}
	all, err := a.allDecisions()
	if err != nil {
		return "", err
	}
	for _, seq := range slices.Sorted(maps.Keys(all)) {
		if err := all[seq].check(); err != nil {
			return "", fmt.Errorf("entry %d: %v", seq, err)
		}
	}
	return fmt.Sprintf("%d decisions, each asked first and answered by one of its options", len(all)), nil
}

func (d decision) check() error {
	opens, offered := "", false
	for _, o := range d.asked.Options {
		if o.Name == d.body.Chosen {
			opens, offered = o.Opens, true
		}
	}
	switch {
	case d.asked.Decision != d.body.Decision || d.asked.Body != d.body.Body || !slices.Equal(d.asked.Options, d.body.Options):
		return fmt.Errorf("the decision %q is not the one that was asked", d.body.Decision)
	case d.inTime() != nil:
		return d.inTime()
	case !offered:
		return fmt.Errorf("the decision %q chose %q, which was no option", d.body.Decision, d.body.Chosen)
	case opens != d.body.Opens:
		return fmt.Errorf("the decision %q says it opens %q, its option opens %q", d.body.Decision, d.body.Opens, opens)
	case !slices.Contains([]string{"members", "one person", "script", "command line", "silence"}, d.body.Answered):
		return fmt.Errorf("the decision %q was answered by %q, which is nobody known here", d.body.Decision, d.body.Answered)
	case opens == "":
		return d.voted()
	case d.body.Answered == "silence":
		return fmt.Errorf("silence opened %q", opens)
	}
	assessed := map[string]bool{}
	for _, f := range d.body.Assessed {
		assessed[f.Factor] = true
	}
	for _, f := range d.asked.Factors {
		if f.Force == "shall" && !assessed[f.ID] {
			return fmt.Errorf("%q was opened with the factor %q not assessed", opens, f.ID)
		}
	}
	return d.voted()
}

// voted counts the votes of members again. A question with a rule is decided by
// votes and by nothing else; one without may be answered by a body that has no
// count of votes, but opens no key.
func (d decision) voted() error {
	if err := d.met(); err != nil {
		return err
	}
	switch d.body.Answered {
	case "members":
	case "one person":
		return d.alone()
	default:
		if len(d.body.Votes) > 0 {
			return fmt.Errorf("%s answered, and %d votes are told", d.body.Answered, len(d.body.Votes))
		}
		return nil
	}
	rule := d.asked.Voting
	if rule == nil {
		if d.body.Opens != "" {
			return fmt.Errorf("%q was opened by members, and the question states no rule for their votes", d.body.Opens)
		}
		return nil
	}
	votes, casting, seen := map[string]int{}, "", map[string]bool{}
	for _, v := range d.body.Votes {
		switch {
		case seen[v.Member]:
			return fmt.Errorf("%q voted twice", v.Member)
		case len(rule.Voters) > 0 && !slices.Contains(rule.Voters, v.Member):
			return fmt.Errorf("%q voted and has no vote", v.Member)
		case !slices.ContainsFunc(d.asked.Options, func(o option) bool { return o.Name == v.Option }):
			return fmt.Errorf("%q voted for %q, which was no option", v.Member, v.Option)
		}
		seen[v.Member] = true
		votes[v.Option]++
		if v.Member == rule.Casting {
			casting = v.Option
		}
	}
	cast := len(d.body.Votes)
	if cast < max(rule.Needed, 1) {
		return fmt.Errorf("%d members voted, %d votes are needed", cast, max(rule.Needed, 1))
	}
	return d.majority(votes, cast, casting)
}

// majority holds the votes for what was chosen against the rule. The casting vote
// counts once more where the chosen option is tied with another for the most.
func (d decision) majority(votes map[string]int, cast int, casting string) error {
	rule, chosen := d.asked.Voting, d.body.Chosen
	n := votes[chosen]
	tied := false
	for option, m := range votes {
		if option != chosen && m > n {
			return fmt.Errorf("%q was chosen with %d votes, %q had %d", chosen, n, option, m)
		}
		tied = tied || option != chosen && m == n
	}
	enough := func(n, cast int) (bool, error) {
		switch rule.Majority {
		case "more than half of the votes cast":
			return n*2 > cast, nil
		case "more than half of the members with a vote":
			seats := len(rule.Voters)
			if seats == 0 {
				seats = cast
			}
			return n*2 > seats, nil
		case "two thirds of the votes cast":
			return n*3 >= cast*2, nil
		}
		return false, fmt.Errorf("the question states a majority that is not known here: %q", rule.Majority)
	}
	held, err := enough(n, cast)
	if err == nil && !held && tied && casting == chosen {
		held, err = enough(n+1, cast+1)
	}
	if err == nil && !held {
		err = fmt.Errorf("%q was chosen with %d of %d votes, the question wants %s", chosen, n, cast, rule.Majority)
	}
	return err
}
