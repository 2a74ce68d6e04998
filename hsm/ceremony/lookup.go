package ceremony

import (
	"regexp"

	"smki.example/hsm"
)

// fileName is what certificate names look like: they become file names.
var fileName = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*$`)

// roleName is what role names look like: custodians' shares are filed under them.
var roleName = regexp.MustCompile(`^[a-z][a-z0-9]*( [a-z0-9]+)*$`)

func namesOf[T any](list []T, name func(T) string) []string {
	names := make([]string, len(list))
	for i, v := range list {
		names[i] = name(v)
	}
	return names
}

func find[T any](list []T, is func(T) bool) (found T, ok bool) {
	for _, v := range list {
		if is(v) {
			return v, true
		}
	}
	return found, false
}

func (s *Script) roleNames() []string { return namesOf(s.Roles, func(r Role) string { return r.Name }) }

func (s *Script) tokenNames() []string {
	return namesOf(s.Tokens, func(t Token) string { return t.Name })
}

func (s *Script) keyNames() []string {
	return namesOf(s.Keys, func(k Key) string { return string(k.Label) })
}

func (s *Script) certificateNames() []string {
	return namesOf(s.Certificates, func(c Certificate) string { return c.Name })
}

func (s *Script) key(label hsm.KeyLabel) (Key, bool) {
	return find(s.Keys, func(k Key) bool { return k.Label == label })
}

// existing tells whether a certificate was there before the ceremony, which is so
// when its key was.
func (s *Script) existing(c Certificate) bool {
	k, _ := s.key(c.Key)
	return k.Existing && c.Renews == ""
}

// usesExisting tells whether the script uses a key that it does not make.
func (s *Script) usesExisting() bool {
	_, uses := find(s.Keys, func(k Key) bool { return k.Existing })
	return uses
}

func (s *Script) certificate(name string) (Certificate, bool) {
	return find(s.Certificates, func(c Certificate) bool { return c.Name == name })
}
