package verbs

import (
	"fmt"

	"smki.example/drills/scenario"
	"smki.example/policy"
)

// agree holds the words of one action against each other, before a drill starts:
// what the rules of every drill refuse is an error of the scenario, with its line,
// and no surprise in the sixth hour. What depends on the course of the drill, such
// as whether a key is open, is refused there.
func agree(a scenario.Action, named func(party string) string) error {
	words := map[string]string{}
	for _, p := range a.Params {
		if p.Value.Chosen == "" {
			words[p.Name] = p.Value.Text
		}
	}
	if a.Object.Chosen != "" {
		return nil
	}
	object, role := a.Object.Text, roleIn(a.Object.Text, named)
	switch a.Verb {
	case verbReplace:
		return agreeReplace(object, role, words, named)
	case verbHandOver:
		if role != policy.RoleSupplier && role != policy.RoleNetworkOperator && role != 0 {
			return fmt.Errorf("hand over: %s is a %s: a handover gives devices back to a supplier or a network operator", object, role)
		}
	case verbChange:
		to := roleIn(words[paramTo], named)
		if role != policy.RoleSupplier || words[paramTo] != "" && to != policy.RoleSupplier {
			return fmt.Errorf("change supplier: it is from one supplier to another")
		}
		if words[paramTo] == object {
			return fmt.Errorf("change supplier: %s is the supplier already", object)
		}
	case verbDefer:
		if role == policy.RoleRecovery {
			return fmt.Errorf("defer revocation: the Recovery key's certificate is not revoked by a party")
		}
	}
	return nil
}

func agreeReplace(object string, role policy.RemotePartyRole, words map[string]string, named func(string) string) error {
	by, to := words[paramBy], words[paramTo]
	method := by == method1 || by == method2 || by == method3
	switch {
	case role == 0: // the root, or a word that is not known
		if method {
			return fmt.Errorf("replace: %s has no methods: say which key signs, such as by: contingency key", object)
		}
	case role == policy.RoleRecovery && method:
		return fmt.Errorf("replace: the Recovery key is replaced by itself or by the contingency key: by: recovery key, or by: contingency key")
	case role != policy.RoleRecovery && by != "" && !method:
		return fmt.Errorf("replace: %q does not replace the keys of %s: by: method 1, method 2 or method 3", by, object)
	case by == method2 && role != policy.RoleSupplier && role != policy.RoleNetworkOperator:
		return fmt.Errorf("replace: method 2 puts the Access Control Broker's certificates in the place of a supplier's or network operator's, and %s is neither", object)
	case by == method2 && to != "":
		return fmt.Errorf("replace: method 2 puts the Access Control Broker's certificates in: take %q out", paramTo)
	case to != "" && roleIn(to, named) != role:
		return fmt.Errorf("replace: %s has another role than %s: its certificates do not belong into these cells", to, object)
	case words[paramEffect] != "" && words[paramCancel] == "true":
		return fmt.Errorf("replace: a command that cancels has no time of its own: take %q out", paramEffect)
	}
	return nil
}

// roleIn is the role of a party that the scenario names or that every drill has, or
// zero for another word. The Root has no party.
func roleIn(id string, named func(string) string) policy.RemotePartyRole {
	switch id {
	case partyBroker:
		return policy.RoleAccessControlBroker
	case partyTransCoS:
		return policy.RoleTransitionalCoS
	case partyWAN:
		return policy.RoleWANProvider
	case partyRecovery:
		return policy.RoleRecovery
	}
	role, err := policy.ParseRole(named(id))
	if err != nil {
		return 0
	}
	return role
}
