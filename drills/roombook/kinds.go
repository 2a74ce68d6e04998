package roombook

import "reflect"

// A Body is what an entry tells: one of the types in body.go, by value.
type Body interface{ kind() Kind }

func (Opened) kind() Kind     { return KindOpened }
func (Arranged) kind() Kind   { return KindArranged }
func (Joined) kind() Kind     { return KindJoined }
func (Seated) kind() Kind     { return KindSeated }
func (Phase) kind() Kind      { return KindPhase }
func (Run) kind() Kind        { return KindRun }
func (Interest) kind() Kind   { return KindInterest }
func (Assessed) kind() Kind   { return KindAssessed }
func (Ballot) kind() Kind     { return KindBallot }
func (Cast) kind() Kind       { return KindCast }
func (Share) kind() Kind      { return KindShare }
func (Told) kind() Kind       { return KindTold }
func (Steered) kind() Kind    { return KindSteered }
func (Note) kind() Kind       { return KindNote }
func (Rating) kind() Kind     { return KindRating }
func (Survey) kind() Kind     { return KindSurvey }
func (Correction) kind() Kind { return KindCorrect }
func (Action) kind() Kind     { return KindAction }
func (Risk) kind() Kind       { return KindRisk }
func (Remark) kind() Kind     { return KindRemark }

// bodies is the type of each kind.
var bodies = kindsOf(Opened{}, Arranged{}, Joined{}, Seated{}, Phase{}, Run{}, Interest{}, Assessed{}, Ballot{}, Cast{},
	Share{}, Told{}, Steered{}, Note{}, Rating{}, Survey{}, Correction{}, Action{}, Risk{}, Remark{})

func kindsOf(all ...Body) map[Kind]reflect.Type {
	out := map[Kind]reflect.Type{}
	for _, b := range all {
		out[b.kind()] = reflect.TypeOf(b)
	}
	return out
}
