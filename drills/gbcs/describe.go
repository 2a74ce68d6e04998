package gbcs

import (
	"bytes"
	"encoding/json"
)

// A Tree is a part of a message as ordered names and values. A value is a
// string, a bool, an integer, a Tree, or a slice of Trees or strings.
type Tree []Field

// A Field is one name in a Tree.
type Field struct {
	Name  string
	Value any
}

// MarshalJSON writes an object with the fields in their order.
func (t Tree) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, f := range t {
		if i > 0 {
			b.WriteByte(',')
		}
		name, err := json.Marshal(f.Name)
		if err != nil {
			return nil, err
		}
		value, err := json.Marshal(f.Value)
		if err != nil {
			return nil, err
		}
		b.Write(name)
		b.WriteByte(':')
		b.Write(value)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// Describe returns the octets, or where reading them failed.
func (o Opaque) Describe() Tree                           { return nil }
func (u *UpdateSecurityCredentials) Describe() Tree       { return nil }
func (c *CommandResponse) Describe() Tree                 { return nil }
func (a *Alert) Describe() Tree                           { return nil }
func (c *ReadCredentials) Describe() Tree                 { return nil }
func (d *CredentialDetails) Describe() Tree               { return nil }
func (c *IssueCredentials) Describe() Tree                { return nil }
func (c *IssueResponse) Describe() Tree                   { return nil }
func (c *UpdateDeviceCertificate) Describe() Tree         { return nil }
func (c *UpdateDeviceCertificateResponse) Describe() Tree { return nil }
func (c *ReadDeviceCertificate) Describe() Tree           { return nil }
func (c *DeviceCertificateResponse) Describe() Tree       { return nil }
