package verify

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
)

// A question as the journal has it: what could be answered, and what had to be
// weighed first.
type question struct {
	Decision string   `json:"decision"`
	Body     string   `json:"body"`
	Quorum   string   `json:"quorum"`
	Options  []option `json:"options"`
	Factors  []struct {
		ID    string `json:"id"`
		Force string `json:"force"`
	} `json:"factors"`
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
		Options  []option `json:"options"`
		Votes    []struct {
			Member string `json:"member"`
			Option string `json:"option"`
		} `json:"votes"`
		Assessed []struct {
			Factor string `json:"factor"`
		} `json:"assessed"`
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
// opens one, that every factor which shall be weighed was, and that members who
// are said to have voted did, as many as the quorum wants.
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
	case !offered:
		return fmt.Errorf("the decision %q chose %q, which was no option", d.body.Decision, d.body.Chosen)
	case opens != d.body.Opens:
		return fmt.Errorf("the decision %q says it opens %q, its option opens %q", d.body.Decision, d.body.Opens, opens)
	case opens == "":
		return nil
	case !slices.Contains([]string{"members", "script", "command line"}, d.body.Answered):
		return fmt.Errorf("%s opened %q", d.body.Answered, opens)
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

var quorumNumber = regexp.MustCompile(`^[0-9]+`)

// voted counts, where members are said to have decided, the votes for what was
// chosen against the quorum that the question names. An answer without a count of
// votes says so in the record and is left to the reader.
func (d decision) voted() error {
	if d.body.Answered != "members" || len(d.body.Votes) == 0 {
		return nil
	}
	quorum, _ := strconv.Atoi(quorumNumber.FindString(d.asked.Quorum))
	members, votes := map[string]bool{}, map[string]int{}
	for _, v := range d.body.Votes {
		if members[v.Member] {
			return fmt.Errorf("%q voted twice", v.Member)
		}
		members[v.Member] = true
		votes[v.Option]++
	}
	if len(members) < quorum {
		return fmt.Errorf("%d members voted, the quorum is %s", len(members), d.asked.Quorum)
	}
	for option, n := range votes {
		if option != d.body.Chosen && n > votes[d.body.Chosen] {
			return fmt.Errorf("%q was chosen with %d votes, %q had %d", d.body.Chosen, votes[d.body.Chosen], option, n)
		}
	}
	return nil
}
