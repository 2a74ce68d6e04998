package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"
)

// A row is one product in one manner of use.
type row struct {
	product string
	key     string // where the key is
	durable string // what is on disk when the client has its answer
	does    string // what else is done for each certificate
	result  result
	missing string // why there is no figure
}

// A result is what was measured.
type result struct {
	certificates int
	took         time.Duration
	p99          time.Duration // zero: not asked one by one
	failed       int
}

func (r result) rate() float64 { return float64(r.certificates) / r.took.Seconds() }

func writeTable(w io.Writer, rows []row, n, clients int) {
	fmt.Fprintf(w, "%s; %d requests each, %d clients where asked one by one.\n\n", machine(), n, clients)
	fmt.Fprintln(w, "| product | certificates a second | 99 % within | 50,000 take | key | on disk when answered | done for each |")
	fmt.Fprintln(w, "| --- | ---: | ---: | ---: | --- | --- | --- |")
	for _, r := range rows {
		if r.missing != "" {
			fmt.Fprintf(w, "| %s | %s | | | | | |\n", r.product, r.missing)
			continue
		}
		p99 := "(batch)"
		if r.result.p99 > 0 {
			p99 = r.result.p99.Round(time.Millisecond).String()
		}
		rate := fmt.Sprintf("%.0f", r.result.rate())
		if r.result.failed > 0 {
			rate += fmt.Sprintf(" (%d failed)", r.result.failed)
		}
		fmt.Fprintf(w, "| %s | %s | %s | %.0f s | %s | %s | %s |\n", r.product, rate, p99, 50_000/r.result.rate(), r.key, r.durable, r.does)
	}
}

// machine says in one line what this ran on.
func machine() string {
	facts := []string{fmt.Sprintf("%d cores", runtime.NumCPU()), cpu(), runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	if out, err := exec.Command("softhsm2-util", "--version").Output(); err == nil {
		facts = append(facts, "SoftHSM "+strings.TrimSpace(string(out)))
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		facts = append(facts, "load before "+strings.Fields(string(b))[0])
	}
	facts = append(facts, time.Now().UTC().Format(time.DateOnly))
	return strings.Join(facts, ", ")
}

func cpu() string {
	f, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return "unknown processor"
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if name, value, found := strings.Cut(lines.Text(), ":"); found && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "unknown processor"
}
