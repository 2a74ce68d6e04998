package policy_test

import (
	"bytes"
	"encoding/asn1"
	"testing"

	"github.com/stretchr/testify/require"
)

// A tlv is one DER element that tests take apart, change and put together
// again. It shares nothing with the reader and the builder under test, so that
// it can write what the builder cannot.
type tlv struct {
	tag      byte
	content  []byte // primitive elements
	children []*tlv // constructed elements
	length   []byte // length octets to write instead of the right ones, nil for those
}

// parseTLV reads valid DER. The tree has its own memory, so that changing it
// leaves the certificate alone from which it came.
func parseTLV(t testing.TB, der []byte) *tlv {
	t.Helper()
	var raw asn1.RawValue
	rest, err := asn1.Unmarshal(der, &raw)
	require.NoError(t, err)
	require.Empty(t, rest)
	n := &tlv{tag: der[0]}
	if !raw.IsCompound {
		n.content = bytes.Clone(raw.Bytes)
		return n
	}
	for rest := raw.Bytes; len(rest) > 0; {
		var child asn1.RawValue
		next, err := asn1.Unmarshal(rest, &child)
		require.NoError(t, err)
		n.children = append(n.children, parseTLV(t, child.FullBytes))
		rest = next
	}
	return n
}

func (n *tlv) encode() []byte {
	content := n.content
	for _, child := range n.children {
		content = append(content[:len(content):len(content)], child.encode()...)
	}
	out := []byte{n.tag}
	switch {
	case n.length != nil:
		out = append(out, n.length...)
	case len(content) < 0x80:
		out = append(out, byte(len(content)))
	case len(content) < 0x100:
		out = append(out, 0x81, byte(len(content)))
	default:
		out = append(out, 0x82, byte(len(content)>>8), byte(len(content)))
	}
	return append(out, content...)
}

// at follows child indexes.
func (n *tlv) at(path ...int) *tlv {
	for _, i := range path {
		n = n.children[i]
	}
	return n
}

func (n *tlv) remove(i int) { n.children = append(n.children[:i:i], n.children[i+1:]...) }

func (n *tlv) insert(i int, child *tlv) {
	n.children = append(n.children[:i:i], append([]*tlv{child}, n.children[i:]...)...)
}

// walk calls f for every element, parents before children.
func (n *tlv) walk(f func(*tlv)) {
	f(n)
	for _, child := range n.children {
		child.walk(f)
	}
}

// Short constructors for elements.
func prim(tag byte, content ...byte) *tlv { return &tlv{tag: tag, content: content} }

func text(tag byte, s string) *tlv { return &tlv{tag: tag, content: []byte(s)} }

func cons(tag byte, children ...*tlv) *tlv { return &tlv{tag: tag, children: children} }

// attribute returns one RDN with one attribute 2.5.4.n.
func rdn(n byte, value *tlv) *tlv { return cons(0x31, cons(0x30, prim(0x06, 0x55, 0x04, n), value)) }

// extensionTLV returns an extension 2.5.29.n.
func extensionTLV(n byte, critical bool, value ...byte) *tlv {
	e := cons(0x30, prim(0x06, 0x55, 0x1d, n))
	if critical {
		e.children = append(e.children, prim(0x01, 0xff))
	}
	e.children = append(e.children, prim(0x04, value...))
	return e
}

// extensionOf finds the extension 2.5.29.n in a SEQUENCE OF Extension.
func extensionOf(t testing.TB, list *tlv, n byte) *tlv {
	t.Helper()
	return list.children[indexOf(t, list, n)]
}

func indexOf(t testing.TB, list *tlv, n byte) int {
	t.Helper()
	for i, e := range list.children {
		if string(e.children[0].content) == string([]byte{0x55, 0x1d, n}) {
			return i
		}
	}
	require.Failf(t, "no such extension", "2.5.29.%d", n)
	return -1
}

// value returns the OCTET STRING of an extension.
func (n *tlv) value() *tlv { return n.children[len(n.children)-1] }
