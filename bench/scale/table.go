package main

import (
	"fmt"
	"io"
	"runtime"
	"time"
)

// A figure is one thing that was measured, with what it is held to.
type figure struct {
	what     string
	value    string
	aim      string
	missed   bool
	resident int64 // largest memory of the process, in KiB; 0: not measured
}

func writeFigures(w io.Writer, certificates, revoked int64, where string, figures []figure) {
	fmt.Fprintf(w, "%d made-up certificates, %d of them revoked, on %s; %d cores, %s, %s.\n\n", certificates, revoked, where, runtime.NumCPU(), runtime.Version(), time.Now().UTC().Format(time.DateOnly))
	fmt.Fprintln(w, "| measured | figure | aim | memory |")
	fmt.Fprintln(w, "| --- | ---: | ---: | ---: |")
	for _, f := range figures {
		memory := ""
		if f.resident > 0 {
			memory = fmt.Sprintf("%d MiB", f.resident/1024)
		}
		if f.missed {
			f.value += " (missed)"
		}
		fmt.Fprintf(w, "| %s | %s | %s | %s |\n", f.what, f.value, f.aim, memory)
	}
}
