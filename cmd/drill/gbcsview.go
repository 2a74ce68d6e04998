package main

import (
	"encoding/json"
	"fmt"
	"io"
	"reflect"
	"strings"
	"time"

	"smki.example/drills/gbcs"
)

// messageView is one message as drill gbcs decode shows it.
type messageView struct {
	file       string
	octets     int
	err        error // why there is no message
	message    *gbcs.Message
	inspection gbcs.Inspection
}

func viewMessage(file string, stdin io.Reader, k *gbcs.Keyring, at time.Time) messageView {
	v := messageView{file: file}
	octets, err := readHexFile(file, stdin)
	if err != nil {
		v.err = err
		return v
	}
	v.octets = len(octets)
	if v.message, v.err = gbcs.Decode(octets); v.err != nil {
		v.err = fmt.Errorf("%s: %w", file, v.err)
		return v
	}
	v.inspection = gbcs.Inspect(v.message, k, at)
	return v
}

// good reports whether the message was read and nothing that was checked is
// wrong.
func (v messageView) good() bool {
	return v.err == nil && v.message.Malformed() == nil &&
		v.inspection.Signature.Result != gbcs.ResultWrong && v.inspection.MAC.Result != gbcs.ResultWrong
}

// MarshalJSON writes the document that the help describes.
func (v messageView) MarshalJSON() ([]byte, error) {
	if v.err != nil {
		return json.Marshal(gbcs.Tree{{Name: "file", Value: v.file}, {Name: "error", Value: v.err.Error()}})
	}
	m := v.message
	findings := v.inspection.Findings
	if findings == nil {
		findings = []gbcs.Finding{}
	}
	useCase := m.Header.MessageCode.UseCase()
	if useCase == "" {
		useCase = "unknown"
	}
	t := gbcs.Tree{
		{Name: "file", Value: v.file},
		{Name: "octets", Value: v.octets},
		{Name: "wrapper", Value: v.wrapper()},
		{Name: "useCase", Value: useCase},
		{Name: "title", Value: m.Header.MessageCode.Title()},
		{Name: "kind", Value: kindOf(m)},
	}
	if mode, ok := m.Header.MessageCode.Mode(); ok {
		t = append(t, gbcs.Field{Name: "mode", Value: mode.Coded()})
	}
	return json.Marshal(append(t, gbcs.Tree{
		{Name: "header", Value: m.Header.Describe()},
		{Name: "payload", Value: append(gbcs.Tree{{Name: "type", Value: payloadType(m.Payload)}}, m.Payload.Describe()...)},
		{Name: "signature", Value: verdictTree(v.inspection.Signature)},
		{Name: "mac", Value: verdictTree(v.inspection.MAC)},
		{Name: "findings", Value: findings},
	}...))
}

func (v messageView) wrapper() gbcs.Tree {
	m := v.message
	tag := "DF"
	if m.MAC {
		tag = "DD"
	}
	return gbcs.Tree{
		{Name: "tag", Value: tag},
		{Name: "mac", Value: m.MAC},
		{Name: "signatureOctets", Value: len(m.Signature)},
		{Name: "precommand", Value: m.Precommand},
		{Name: "trailingZero", Value: m.TrailingZero},
		{Name: "payloadOctets", Value: len(m.RawPayload)},
		{Name: "payloadLengths", Value: m.Form.String()},
	}
}

func kindOf(m *gbcs.Message) string {
	if m.Precommand {
		return "pre-command"
	}
	return m.Header.CRA.String()
}

// payloadType is the name of the Go type, which is that of the concept.
func payloadType(p gbcs.Payload) string {
	t := reflect.TypeOf(p)
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	return t.Name()
}

func verdictTree(verdict gbcs.Verdict) gbcs.Tree {
	t := gbcs.Tree{{Name: "verdict", Value: verdict.Result}}
	if verdict.Result == gbcs.ResultValid {
		t = append(t, gbcs.Field{Name: "by", Value: verdict.Source})
		if verdict.Parties[0].IsZero() && verdict.Parties[1].IsZero() {
			t = append(t, gbcs.Field{Name: "keyIdentifier", Value: verdict.KeyID.String()})
		} else {
			t = append(t, gbcs.Field{Name: "parties", Value: verdict.Parties})
		}
	}
	return append(t, gbcs.Field{Name: "reason", Value: verdict.Reason})
}

// printMessages writes the messages for people, a blank line between them.
func printMessages(w io.Writer, views []messageView) error {
	var b strings.Builder
	for i, v := range views {
		if i > 0 {
			b.WriteByte('\n')
		}
		v.print(&b)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func (v messageView) print(b *strings.Builder) {
	fmt.Fprintf(b, "%s\n", v.file)
	if v.err != nil {
		fmt.Fprintf(b, "UNREADABLE: %v\n", v.err)
		return
	}
	m := v.message
	useCase := m.Header.MessageCode.UseCase()
	if useCase == "" {
		useCase = "message code " + m.Header.MessageCode.String()
	}
	fmt.Fprintf(b, "%s %s, %s", useCase, kindOf(m), m.Header.MessageCode.Title())
	if mode, ok := m.Header.MessageCode.Mode(); ok {
		fmt.Fprintf(b, ", %s", mode)
	}
	fmt.Fprintf(b, "\n%d octets, %s\n\n", v.octets, v.protection())
	fmt.Fprintf(b, "header\n")
	printTree(b, m.Header.Describe(), "  ")
	fmt.Fprintf(b, "payload (%d octets, %s)\n", len(m.RawPayload), m.Form)
	printTree(b, m.Payload.Describe(), "  ")
	fmt.Fprintf(b, "\nsignature: %s\n", verdictText(v.inspection.Signature))
	fmt.Fprintf(b, "MAC:       %s\n", verdictText(v.inspection.MAC))
	if len(v.inspection.Findings) == 0 {
		fmt.Fprintf(b, "findings:  none\n")
		return
	}
	fmt.Fprintf(b, "findings:\n")
	for _, f := range v.inspection.Findings {
		fmt.Fprintf(b, "  %s\n", f)
	}
}

func (v messageView) protection() string {
	m := v.message
	switch {
	case m.MAC && m.Signature != nil:
		return "DD: MAC header, signature, MAC"
	case m.MAC:
		return "DD: MAC header, no signature, MAC"
	case m.Signature != nil:
		return "DF: signature, no MAC"
	case m.Precommand && m.TrailingZero:
		return "DF: not signed yet, with a zero octet at its end"
	case m.Precommand:
		return "DF: not signed yet"
	}
	return "DF: neither signature nor MAC"
}

func verdictText(v gbcs.Verdict) string {
	switch v.Result {
	case gbcs.ResultValid:
		return "valid (" + v.Reason + ")"
	case gbcs.ResultWrong:
		return "WRONG: " + v.Reason
	case gbcs.ResultNotChecked:
		return "not checked, " + v.Reason
	}
	return "none, " + v.Reason
}

// printTree writes a tree by lines: a name and its value, lists and trees
// below their name.
func printTree(b *strings.Builder, t gbcs.Tree, indent string) {
	for _, f := range t {
		if sub, ok := f.Value.(gbcs.Tree); ok {
			fmt.Fprintf(b, "%s%s\n", indent, f.Name)
			printTree(b, sub, indent+"  ")
			continue
		}
		value := reflect.ValueOf(f.Value)
		if value.Kind() != reflect.Slice {
			fmt.Fprintf(b, "%s%s: %v\n", indent, f.Name, f.Value)
			continue
		}
		if value.Len() == 0 {
			fmt.Fprintf(b, "%s%s: none\n", indent, f.Name)
			continue
		}
		fmt.Fprintf(b, "%s%s\n", indent, f.Name)
		for i := range value.Len() {
			item := value.Index(i).Interface()
			if sub, ok := item.(gbcs.Tree); ok {
				fmt.Fprintf(b, "%s  %d\n", indent, i+1)
				printTree(b, sub, indent+"    ")
				continue
			}
			fmt.Fprintf(b, "%s  %d  %v\n", indent, i+1, item)
		}
	}
}
