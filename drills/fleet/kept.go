package fleet

import (
	"fmt"
	"time"

	"smki.example/drills/gbcs"
	"smki.example/policy"
)

// A pendingCommand is a future dated command whose signature and MAC have been
// checked and which waits for its time.
type pendingCommand struct {
	role   policy.RemotePartyRole
	key    policy.KeyID // of the authorising cell when the command was checked
	code   gbcs.MessageCode
	header gbcs.GroupingHeader
	update *gbcs.UpdateSecurityCredentials
}

// updateLocked carries out, keeps or cancels. A kept command replaces one of the
// same role and mode that waits already.
func (d *Device) updateLocked(h gbcs.GroupingHeader, p *gbcs.UpdateSecurityCredentials, c Command, check *Check) gbcs.Payload {
	if p.Cancels() {
		d.cancelLocked(check.Role, h.MessageCode)
		check.Effect = Cancelled
		return &gbcs.CommandResponse{}
	}
	if p.ExecuteAt != nil && p.ExecuteAt.After(check.At) {
		d.cancelLocked(check.Role, h.MessageCode)
		d.scheduleLocked(event{at: *p.ExecuteAt, command: c, kept: &pendingCommand{
			check.Role, d.authorisingKeyLocked(p), h.MessageCode, h, p,
		}})
		check.Effect = Kept
		return &gbcs.CommandResponse{}
	}
	return &gbcs.CommandResponse{Outcome: d.applyLocked(p, check)}
}

// executeKeptLocked carries out a future dated command when its time has come
// and returns the alert that reports it. Certificates are checked now and not
// when the command arrived, against the cells as they are now. The signature is
// not checked again; that the key behind it still stands in its cell is.
func (d *Device) executeKeptLocked(now time.Time, k *pendingCommand) ([]byte, Check, error) {
	check := Check{
		At: now, Code: k.code, Originator: k.header.Originator, Counter: k.header.Counter,
		Role: k.role, IsAlert: true,
	}
	var outcome *gbcs.UpdateOutcome
	if now := d.authorisingKeyLocked(k.update); now != k.key && d.fleet.settings.KeptNeedsKey {
		outcome = d.declineLocked(k.update, &check, refuse(StepAuthority, fmt.Sprintf("key %v in the authorising cell", k.key), "%v", now))
	} else {
		outcome = d.applyLocked(k.update, &check)
	}
	alert := &gbcs.Alert{Code: gbcs.AlertFutureDatedActioned, ExecutedAt: now, Outcome: *outcome}
	if check.Effect != Executed {
		alert.Code = gbcs.AlertFutureDatedNotActioned
	}
	check.Alerts = append(check.Alerts, alert.Code)
	d.noteLocked(now, word(check.Effect), check.Reason())
	octets, err := d.alertLocked(k, alert)
	return octets, check, err
}

// authorisingKeyLocked returns the key in the cell that authorises an update.
func (d *Device) authorisingKeyLocked(p *gbcs.UpdateSecurityCredentials) policy.KeyID {
	cell, _ := d.authorisingCellOfUpdate(p)
	a, _ := d.cells.at(cell)
	return a.KeyID
}

// declineLocked reports that no cell of a kept command was changed, for one
// reason.
func (d *Device) declineLocked(p *gbcs.UpdateSecurityCredentials, check *Check, r *Refusal) *gbcs.UpdateOutcome {
	outcome := &gbcs.UpdateOutcome{SeqNumber: p.SeqNumber, Mode: p.Mode}
	for _, replacement := range p.Replacements {
		held, _ := d.cells.at(replacement.Cell)
		outcome.Cells = append(outcome.Cells, gbcs.CellOutcome{
			Cell: replacement.Cell, Status: gbcs.StatusOther,
			ExistingID: held.SubjectID, ExistingKeyID: held.KeyID,
			ReplacingID: held.SubjectID, ReplacingKeyID: held.KeyID,
		})
		check.Cells = append(check.Cells, CellCheck{replacement.Cell, gbcs.StatusOther, r, held.KeyID, held.KeyID})
	}
	check.Effect = Refused
	return outcome
}
