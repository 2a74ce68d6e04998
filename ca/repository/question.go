package repository

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// maxQuestion bounds a request of the web service. The longest that makes sense has
// some 200 octets; the rest is for clients that indent.
const maxQuestion = 4 << 10

// A question is a request of the web service: one element, in which one element has
// a value.
type question struct{ field, value string }

// readQuestion reads a request whose root has the given name and which has exactly
// one of the fields. It refuses everything that encoding/xml would let pass and no
// client of ours needs: document types, processing instructions, attributes,
// namespaces, text beside elements, anything deeper. No entity but the five of XML
// can be used, so that no document grows while it is read.
func readQuestion(b []byte, root string, fields ...string) (question, error) {
	if len(b) > maxQuestion {
		return question{}, fmt.Errorf("the document is longer than %d octets", maxQuestion)
	}
	b = bytes.TrimPrefix(b, []byte("\xEF\xBB\xBF")) // allowed in UTF-8 (XML 1.0, 4.3.3)
	decoder := xml.NewDecoder(bytes.NewReader(b))
	var open []string
	var q question
	var text strings.Builder
	done := false
	for {
		begin := decoder.InputOffset()
		token, err := decoder.RawToken()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return question{}, fmt.Errorf("the document is no XML: %w", err)
		}
		switch t := token.(type) {
		case xml.ProcInst:
			if begin != 0 || t.Target != "xml" {
				return question{}, errors.New("no processing instruction is expected")
			}
		case xml.Directive:
			return question{}, errors.New("a document type declaration is not accepted")
		case xml.Comment:
		case xml.StartElement:
			switch {
			case t.Name.Space != "":
				return question{}, fmt.Errorf("element %.40q has a prefix: these documents have no namespace", t.Name.Space+":"+t.Name.Local)
			case len(t.Attr) > 0:
				return question{}, fmt.Errorf("element %.40q has an attribute: none is expected", t.Name.Local)
			case done || len(open) == 0 && t.Name.Local != root:
				return question{}, fmt.Errorf("want one element %s, got %.40q", root, t.Name.Local)
			case len(open) == 1 && (q.field != "" || !slices.Contains(fields, t.Name.Local)):
				return question{}, fmt.Errorf("want exactly one of %s in %s, got %.40q", strings.Join(fields, ", "), root, t.Name.Local)
			case len(open) == 2:
				return question{}, fmt.Errorf("want text in %s, got element %.40q", open[1], t.Name.Local)
			}
			open = append(open, t.Name.Local)
			if len(open) == 2 {
				q.field = t.Name.Local
			}
		case xml.EndElement:
			// RawToken, which is used because it leaves prefixes alone, does not pair tags.
			if t.Name.Space != "" || len(open) == 0 || open[len(open)-1] != t.Name.Local {
				return question{}, fmt.Errorf("the end of element %.40q is where it does not belong", t.Name.Local)
			}
			open = open[:len(open)-1]
			done = len(open) == 0
		case xml.CharData:
			if len(open) == 2 {
				text.Write(t)
			} else if len(bytes.TrimLeft(t, " \t\r\n")) > 0 {
				return question{}, errors.New("text where an element is expected")
			}
		}
	}
	switch {
	case !done:
		return question{}, fmt.Errorf("want element %s, got a document that ends before it does", root)
	case q.field == "":
		return question{}, fmt.Errorf("want exactly one of %s in %s, got none", strings.Join(fields, ", "), root)
	}
	q.value = strings.Trim(text.String(), " \t\r\n")
	return q, nil
}
