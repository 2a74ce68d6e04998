package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime/debug"

	"github.com/urfave/cli/v2"

	"smki.example/ca/batch"
	"smki.example/cmd/clikit"
)

func batchCommand() *cli.Command {
	return &cli.Command{
		Name:  "batch",
		Usage: "issue certificates to thousands of requests",
		Description: `--in is a folder with one request a file (the id is the file's name without .csr, .pem, .der, .req, .p10, .b64 or .txt), a zip
archive of the same, a file with one {"id": "…", "csr": "base64"} a line, or a SubmitCSRBatch document of the batched web service (XML).
An id has 1 to 64 of A-Z a-z 0-9 . _ -, and a batch at most 50,000 requests.

Writes certs/ID.pem for every certificate, and results.csv with a line for every item in the order of the input: id, status, serial,
error_code, detail. Status is success, error (CSR_ERROR), anomaly (ISSUANCE_ANOMALY: the key has a certificate, the device too many) or
ineligible (INELIGIBLE).

Killed at any moment, the same command goes on where it stopped: an item is its id with its request, what is finished is not issued twice,
and its certificate is in the output again. Several processes may work on one batch at once. Refused items stay refused; to have them
decided anew, give --retry-refused.

Exit: 0 every item has its result, be it a refusal; 3 the batch is refused as a whole (a malformed line, an id that stands twice: the
lines are named, nothing was begun); 4 token or database failed: run the same command again.

--json prints {items, success, error, anomaly, ineligible, resumed, out}.

Examples:
  smki batch --home ca --in requests.jsonl --out result
  smki batch --home ca --in batch.xml --out result
  smki batch --home ca --in csrs/ --out result --json`,
		Flags: []cli.Flag{
			homeFlag(),
			&cli.StringFlag{Name: "in", Usage: "folder, zip archive, XML document or file of lines (`PATH`)", Required: true},
			&cli.StringFlag{Name: "out", Usage: "folder for the results (`DIR`)", Required: true},
			&cli.BoolFlag{Name: "retry-refused", Usage: "decide items anew that were refused in an earlier run"},
			byFlag(),
			clikit.JSONFlag(),
		},
		Action: runBatch,
	}
}

func runBatch(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	items, err := readItems(c.String("in"))
	var input *batch.InputError
	switch {
	case errors.As(err, &input):
		return clikit.With(clikit.Refused, err)
	case err != nil:
		return clikit.Usagef("smki batch: --in: %v", err)
	}
	// A batch makes much garbage and keeps little: collecting it more rarely costs
	// memory that is there, and the limit sees to it that it is.
	defer debug.SetGCPercent(debug.SetGCPercent(batchGarbage))
	defer debug.SetMemoryLimit(debug.SetMemoryLimit(batchMemory))
	return at(c, true, func(d *desk) error { return d.batch(c, &items) })
}

// With these a batch of 50,000 requests stays under 256 MiB, the database's and the
// token's own memory included.
const (
	batchGarbage = 300 // percent of what is alive, by which the heap grows before a collection
	batchMemory  = 112 << 20
)

// batchDone is the result of a batch in figures.
type batchDone struct {
	Items      int    `json:"items"`
	Success    int    `json:"success"`
	Error      int    `json:"error"`
	Anomaly    int    `json:"anomaly"`
	Ineligible int    `json:"ineligible"`
	Waiting    int    `json:"waiting,omitempty"`
	Resumed    int    `json:"resumed"`
	Out        string `json:"out"`
}

// batch works the items, and forgets them as soon as they are in the database.
func (d *desk) batch(c *cli.Context, items *[]batch.Item) (err error) {
	if err := d.byHand("batches come", "from a party's system or officer, over the web services, with an IKI certificate"); err != nil {
		return err
	}
	out, err := batch.NewOutput(c.String("out"))
	if err != nil {
		return err
	}
	progress := clikit.NewProgress(c.App.ErrWriter)
	defer progress.Clear()
	b, err := batch.Enrol(c.Context, batch.Config{
		Issuer: d.issuer, Requester: who(c), RetryRefused: c.Bool("retry-refused"), Issued: out.Certificate,
		Progress: func(done, total int) { progress.Step("issuing", done, total) },
	}, *items)
	*items = nil
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	worked := b.Work(c.Context)
	// Whatever stopped the work, the output shows what is done.
	results, err := out.Finish(context.WithoutCancel(c.Context), b)
	progress.Clear()
	if err != nil {
		return errors.Join(worked, err)
	}
	done := count(results)
	done.Resumed, done.Out = b.Resumed, c.String("out")
	if worked != nil {
		return fmt.Errorf("the batch stopped with %d of %d items done: %w; run the same command again, it goes on from there", done.Items-done.Waiting, done.Items, oneLine(worked))
	}
	if clikit.WantsJSON(c) {
		return clikit.JSON(c.App.Writer, done)
	}
	earlier := ""
	if done.Resumed > 0 {
		earlier = fmt.Sprintf(" (%d of the results are from earlier runs)", done.Resumed)
	}
	_, err = fmt.Fprintf(c.App.Writer, "%d items: %d certificates, %d refused (%d error, %d anomaly, %d ineligible)%s: %s\n",
		done.Items, done.Success, done.Items-done.Success, done.Error, done.Anomaly, done.Ineligible, earlier, filepath.Join(done.Out, "results.csv"))
	return err
}

func count(results []batch.Result) batchDone {
	done := batchDone{Items: len(results)}
	for _, r := range results {
		switch r.State {
		case batch.Success:
			done.Success++
		case batch.Error:
			done.Error++
		case batch.Anomaly:
			done.Anomaly++
		case batch.Ineligible:
			done.Ineligible++
		default:
			done.Waiting++
		}
	}
	return done
}
