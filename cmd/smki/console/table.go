package console

import "smki.example/ca/ra"

// A cell is one answer of the table of rights.
type cell struct {
	Says string
	Mine bool
}

// An allowance is one row of the table of rights.
type allowance struct {
	Act   ra.Act
	Rule  ra.Rule
	Cells []cell
	Voted string
}

// rights is the table of rights, as it is in force.
func (c *Console) rights(v *visit) (*screen, error) {
	body := struct {
		Version      int
		Mark, Source string
		Roles        []ra.Role
		Says         map[ra.Role]ra.RoleRule
		Mine         ra.Role
		Rows         []allowance
		Marks        map[string]string
	}{c.table.Version, c.table.Mark, c.table.Source, ra.Roles(), c.table.Roles, v.officer.Role, nil, marks}
	for _, act := range ra.Acts() {
		r := allowance{Act: act, Rule: c.table.Acts[act]}
		for _, role := range ra.Roles() {
			says := map[ra.Cell]string{ra.No: "no", ra.Yes: "yes", ra.Two: "with others"}[c.table.May(role, act)]
			r.Cells = append(r.Cells, cell{says, role == v.officer.Role})
			if c.table.MayVote(role, act) {
				if r.Voted != "" {
					r.Voted += ", "
				}
				r.Voted += string(role)
			}
		}
		body.Rows = append(body.Rows, r)
	}
	return &screen{"Who may do what", "rights.html", body}, nil
}
