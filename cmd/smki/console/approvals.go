package console

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"strings"

	"smki.example/ca"
	"smki.example/ca/ra"
)

// An entry is an approval in a list.
type entry struct {
	ra.Item
	Title string
}

func (c *Console) entry(item ra.Item) entry { return entry{item, c.heading(item.Act)} }

// entries is a page of the open approvals, of one act or of all for "".
func (c *Console) entries(v *visit, act ra.Act, p ra.Page) ([]entry, turning, error) {
	items, next, err := c.registry.Queue(v.Context(), v.by(), act, p)
	if err != nil {
		return nil, turning{}, err
	}
	all := make([]entry, 0, len(items))
	for _, item := range items {
		all = append(all, c.entry(item))
	}
	return all, v.turn(next), nil
}

// queue is every approval that is open.
func (c *Console) queue(v *visit) (*screen, error) {
	all, turn, err := c.entries(v, "", v.page())
	if err != nil {
		return nil, err
	}
	return &screen{"Approvals", "queue.html", map[string]any{"Entries": all, "Now": c.clock(), "Turn": turn}}, nil
}

// A dossier is one approval with everything that somebody must know who votes on it.
type dossier struct {
	entry
	Rule            ra.Rule
	Frame, Does, On []row // its bytes, field by field
	Hex, Text, Sum  string
	Missing         int
	Barred          []barred
	// What the officer can do with it; nil: not that.
	Vote, Execute, Retract *form
	Elsewhere              bool // another service carries it out
	Unsure                 bool // it was begun, and nobody knows how it ended
}

type barred struct {
	Person ra.PersonID
	Why    string
}

// approval is one approval.
func (c *Console) approval(v *visit) (*screen, error) {
	id, err := parseID(v.PathValue("id"))
	if err != nil {
		return nil, err
	}
	item, err := c.registry.Item(v.Context(), v.by(), id)
	if err != nil {
		return nil, err
	}
	d := dossier{entry: c.entry(item), Rule: c.table.Acts[item.Act], Hex: hexdump(item.Bytes), Text: string(item.Bytes),
		Sum: hex.EncodeToString(item.Hash[:]), Missing: item.Missing(), Unsure: item.State == ra.Executing}
	rows, err := fields(item.Bytes)
	if err != nil {
		return nil, err
	}
	for _, r := range rows {
		switch {
		case r.Path == "deed" || strings.HasPrefix(r.Path, "deed."):
			d.Does = append(d.Does, r)
		case r.Path == "on" || strings.HasPrefix(r.Path, "on."):
			d.On = append(d.On, r)
		default:
			d.Frame = append(d.Frame, r)
		}
	}
	for _, person := range sortedKeys(item.Barred) {
		d.Barred = append(d.Barred, barred{person, item.Barred[person]})
	}
	_, release := item.Deed.(ra.ReleaseBatch)
	d.Elsewhere = release && item.State == ra.Approved
	path := fmt.Sprintf("/ra/approvals/%d/", id)
	if item.MayVote {
		d.Vote = v.fill(&form{Name: "vote", To: path + "vote", Fields: []field{
			{Name: "sha256", Kind: "hidden", Value: d.Sum},
			{Name: "comment", Label: "Comment", Kind: "area", Optional: true, Most: 2000, Hint: "Everybody who may read this approval reads it. A rejection needs a reason."},
		}})
	}
	if item.MayExecute {
		d.Execute = v.fill(&form{Name: "execute", To: path + "execute", Button: "Carry it out now", Grave: true, Open: true, Title: "Carry it out",
			Says:   "All votes are there. What is done is made anew from the register and compared with the bytes below; if anything differs, nothing is done and the approval is void.",
			Fields: []field{{Name: "sha256", Kind: "hidden", Value: d.Sum}}})
	}
	if item.MayRetract {
		d.Retract = v.fill(&form{Name: "retract", To: path + "retract", Button: "Take it back", Title: "Take the proposal back",
			Says: "You proposed it, and may take it back as long as nothing is done.", Fields: []field{
				{Name: "why", Label: "Reason", Kind: "area", Most: 2000},
			}})
	}
	return &screen{fmt.Sprintf("Approval %d: %s", id, c.table.Acts[item.Act].Says), "approval.html", d}, nil
}

// bytes gives the exact bytes, for who wants to hash them with tools of his own.
func (c *Console) bytes(w http.ResponseWriter, v *visit) {
	id, err := parseID(v.PathValue("id"))
	if err == nil {
		err = c.mayNot(v, ra.ActReadQueues)
	}
	var item ra.Item
	if err == nil {
		item, err = c.registry.Item(v.Context(), v.by(), id)
	}
	if err != nil {
		c.deny(w, v, err)
		return
	}
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", fmt.Sprintf(`attachment; filename="approval-%d.json"`, id))
	_, _ = w.Write(item.Bytes)
}

// vote takes an answer on the bytes that were shown.
func (c *Console) vote(v *visit) (doing, error) {
	id, err := parseID(v.PathValue("id"))
	if err != nil {
		return doing{}, err
	}
	a, err := c.registry.Approval(v.Context(), id)
	if err != nil {
		return doing{}, err
	}
	if !c.table.MayVote(v.officer.Role, a.Act) {
		return doing{}, &right{act: a.Act, rule: c.table.Acts[a.Act], votes: true, err: &ca.Refusal{Rule: "rights",
			Err: fmt.Errorf("the office %q has no vote on whether to %s", v.officer.Role, c.table.Acts[a.Act].Says)}}
	}
	in := &input{Values: v.PostForm}
	return doing{form: "vote", again: c.approval, do: func(ctx context.Context) (string, error) {
		hash, err := shown(in)
		if err != nil {
			return "", err
		}
		accept, told := true, "agreed"
		switch v.PostForm.Get("answer") {
		case "accept":
		case "reject":
			accept, told = false, "rejected"
			if in.text("comment") == "" {
				return "", mistaken("comment", "a rejection needs a reason")
			}
		default:
			return "", mistaken("", "the form says neither approve nor reject")
		}
		if _, err := c.registry.Vote(ctx, v.by(), id, hash, accept, in.text("comment")); err != nil {
			return "", err
		}
		return at(fmt.Sprintf("/ra/approvals/%d", id), told), nil
	}}, nil
}

// shown is the SHA-256 of the bytes that the page showed.
func shown(in *input) (hash [sha256.Size]byte, err error) {
	b, err := hex.DecodeString(in.Get("sha256"))
	if err != nil || len(b) != len(hash) {
		return hash, mistaken("", "the form does not say which bytes it is about")
	}
	return [sha256.Size]byte(b), nil
}

func (c *Console) execute(v *visit) (doing, error) {
	id, err := parseID(v.PathValue("id"))
	if err != nil {
		return doing{}, err
	}
	a, err := c.registry.Approval(v.Context(), id)
	if err != nil {
		return doing{}, err
	}
	_, proposes := c.table.Needed(v.officer.Role, a.Act)
	if !proposes && !c.table.MayVote(v.officer.Role, a.Act) {
		return doing{}, c.noRight(v, a.Act)
	}
	return doing{form: "execute", again: c.approval, do: func(ctx context.Context) (string, error) {
		hash, err := shown(&input{Values: v.PostForm})
		if err != nil {
			return "", err
		}
		// The Registry compares what it does with what was agreed to; here, what was
		// agreed to with what this officer was shown.
		if hash != a.Hash {
			return "", &ca.Refusal{Rule: "hash", Err: fmt.Errorf("approval %d is on the bytes with SHA-256 %x, and the page showed others; look again", id, a.Hash)}
		}
		if _, err := c.registry.Execute(ctx, v.by(), id); err != nil {
			return "", err
		}
		return at(fmt.Sprintf("/ra/approvals/%d", id), "done"), nil
	}}, nil
}

func (c *Console) retract(v *visit) (doing, error) {
	id, err := parseID(v.PathValue("id"))
	if err != nil {
		return doing{}, err
	}
	return doing{form: "retract", again: c.approval, do: func(ctx context.Context) (string, error) {
		if _, err := c.registry.Retract(ctx, v.by(), id, (&input{Values: v.PostForm}).text("why")); err != nil {
			return "", err
		}
		return at(fmt.Sprintf("/ra/approvals/%d", id), "retracted"), nil
	}}, nil
}

// A past is an approval that is settled.
type past struct {
	*ra.Approval
	Title string
}

// history is what is settled, newest first.
func (c *Console) history(v *visit) (*screen, error) {
	all, next, err := c.registry.History(v.Context(), c.own(v), v.page())
	if err != nil {
		return nil, err
	}
	body := struct {
		Entries []past
		Turn    turning
	}{Turn: v.turn(next)}
	for _, a := range all {
		if c.sees(v, a.Party) == nil {
			body.Entries = append(body.Entries, past{a, c.heading(a.Act)})
		}
	}
	return &screen{"History", "history.html", body}, nil
}

// decisions are the approvals on a subject, for the page of what it is about.
func (c *Console) decisions(v *visit, subject string) ([]past, error) {
	all, err := c.registry.ApprovalsOf(v.Context(), subject)
	var out []past
	for _, a := range all {
		if c.sees(v, a.Party) == nil {
			a.State = a.StateAt(c.clock())
			out = append(out, past{a, c.heading(a.Act)})
		}
	}
	return out, err
}
