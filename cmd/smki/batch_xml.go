package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"os"
	"regexp"

	"smki.example/ca/batch"
	"smki.example/ca/smkiws"
)

// xmlOctets is how large an XML batch may be: four times a full one.
const xmlOctets = 80 << 20

// itemForm is the form of an id, which becomes a file's name in the output.
var itemForm = regexp.MustCompile(`^[A-Za-z0-9._-]{1,64}$`)

// readItems reads a batch in any of its forms.
func readItems(path string) ([]batch.Item, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading batch: %w", err)
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return batch.Read(path)
	}
	in := bufio.NewReaderSize(f, 1<<16)
	start, _ := in.Peek(512)
	if !bytes.HasPrefix(bytes.TrimLeft(bytes.TrimPrefix(start, []byte("\xEF\xBB\xBF")), " \t\r\n"), []byte("<")) {
		return batch.Read(path)
	}
	return readXML(path, in)
}

// readXML reads the document of the batched web service (AppM, Appendix C), with the
// bounds that it has there. A document that is not valid is refused as a whole; a
// request in it that cannot be read is an item with that result.
func readXML(path string, in *bufio.Reader) ([]batch.Item, error) {
	var items []batch.Item
	bad := &batch.InputError{Path: path}
	_, err := smkiws.ReadBatch(in, smkiws.Limits{BatchItems: batch.MaxItems, BatchOctets: xmlOctets}, func(i smkiws.Item) error {
		where := fmt.Sprintf("DeviceCSR %.80q", i.Name)
		if !itemForm.MatchString(i.Name) {
			if len(bad.Problems) == 20 {
				bad.More++
			} else {
				bad.Problems = append(bad.Problems, fmt.Sprintf("%s: its ID becomes a file's name here: want 1 to 64 of A-Z a-z 0-9 . _ -", where))
			}
			return nil
		}
		request := i.DER
		if i.Err != nil {
			// What stands in the ledger of items is why it is none; no request has this form.
			request = fmt.Appendf(nil, "unreadable: %v", i.Err)
		}
		items = append(items, batch.Item{ID: i.Name, Request: request, Where: where})
		return nil
	})
	var format *smkiws.FormatError
	switch {
	case errors.As(err, &format):
		bad.Problems = append(bad.Problems, format.Error())
	case errors.Is(err, smkiws.ErrTooMany):
		bad.Problems = append(bad.Problems, fmt.Sprintf("it has more than %d requests, which is the limit (AppM 2.3.1.2); send it in parts", batch.MaxItems))
	case err != nil:
		return nil, fmt.Errorf("reading batch %q: %w", path, err)
	}
	if len(bad.Problems) > 0 {
		return nil, bad
	}
	return items, nil
}
