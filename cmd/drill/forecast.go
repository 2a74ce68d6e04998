package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/urfave/cli/v2"

	"smki.example/cmd/clikit"
	"smki.example/drills/forecast"
	"smki.example/drills/play"
)

func forecastCommand() *cli.Command {
	return &cli.Command{
		Name:      "forecast",
		Usage:     "how long a recovery takes, by method, before anyone decides",
		ArgsUsage: "[NAME|FILE]",
		Description: `For a drill it takes the drill's estate, rates and custodians; without one, or with --national, the whole of Great Britain
(sample data). Each figure has a band from many runs over the assumptions, which are listed with their sources. Change one with
--set "wan north=40000" (certain) or --set "wan north=20000..40000..60000", or all of them with a file: --write-assumptions
FILE writes the shipped one to start from.

--key says which key is compromised; without it, that of the drill's supplier. Keys: ` + strings.Join(forecast.Keys(), ", ") + `.

--json prints {key, party, relevant, courses, flips, assumptions, runs, seed, horizon_hours}; times are hours from the report.

Examples:
  drill forecast S02                                    the drill's own estate
  drill forecast S02 --devices 1000000
  drill forecast --national --key root --out root.html
  drill forecast S01 --measure --set "custodian travel=2"`,
		Flags: []cli.Flag{
			&cli.BoolFlag{Name: "national", Usage: "the estate of Great Britain instead of the drill's"},
			&cli.IntFlag{Name: "devices", Usage: "how many devices (`N`)"},
			&cli.StringFlag{Name: "key", Usage: "the compromised `KEY`"},
			&cli.StringFlag{Name: "party", Usage: "whose key, by the estate's name of it (`PARTY`)"},
			&cli.StringSliceFlag{Name: "set", Usage: "change an assumption (`ID=VALUE`)"},
			&cli.StringFlag{Name: "assumptions", Usage: "read estate and assumptions from `FILE`"},
			&cli.StringFlag{Name: "write-assumptions", Usage: "write the shipped estate and assumptions to `FILE` and stop"},
			&cli.BoolFlag{Name: "measure", Usage: "measure how fast a token signs here, and use that"},
			&cli.IntFlag{Name: "runs", Value: 1000, Usage: "how many runs make the band (`N`)"},
			&cli.Uint64Flag{Name: "seed", Value: 1, Usage: "which runs (`N`)"},
			&cli.StringFlag{Name: "out", Usage: "write a page to `FILE`.html as well"},
			procedureFlag(),
			clikit.JSONFlag(),
		},
		Action: forecastAction,
	}
}

func forecastAction(c *cli.Context) error {
	args, err := clikit.Arguments(c, "[NAME|FILE]")
	if err != nil {
		return err
	}
	if file := c.String("write-assumptions"); file != "" {
		return writeNew(file, forecast.NationalSource())
	}
	in, err := forecastInput(c, args)
	if err != nil {
		return err
	}
	in.Runs, in.Seed = c.Int("runs"), c.Uint64("seed")
	if c.Bool("measure") {
		if err := measureToken(c, &in); err != nil {
			return err
		}
	}
	for _, words := range c.StringSlice("set") {
		if in.Assumptions, err = in.Assumptions.Set(words, "set on the command line"); err != nil {
			return clikit.With(clikit.Usage, err)
		}
	}
	f, err := forecast.Run(c.Context, in)
	if err != nil {
		return clikit.With(clikit.Usage, err)
	}
	if out := c.String("out"); out != "" {
		if filepath.Ext(out) != ".html" {
			return clikit.Usagef("drill forecast: --out %s: the page is HTML, so its name ends in .html", out)
		}
		var b strings.Builder
		if err := f.HTML(&b); err != nil {
			return err
		}
		if err := os.WriteFile(out, []byte(b.String()), 0o644); err != nil {
			return fmt.Errorf("writing the forecast: %w", err)
		}
	}
	if clikit.WantsJSON(c) {
		return clikit.JSON(c.App.Writer, f)
	}
	return f.Text(c.App.Writer)
}

// forecastInput is what the flags and the drill say, before --set.
func forecastInput(c *cli.Context, args []string) (forecast.Input, error) {
	pack, err := forecast.National()
	if file := c.String("assumptions"); file != "" {
		var text []byte
		if text, err = os.ReadFile(file); err == nil {
			pack, err = forecast.ParsePack(file, text)
		}
	}
	if err != nil {
		return forecast.Input{}, clikit.With(clikit.Usage, err)
	}
	in := forecast.Input{
		Estate: pack.Estate, Assumptions: pack.Assumptions, Custodians: pack.Custodians, Needed: pack.Needed, NeededParties: pack.NeededOf, Key: "supplier",
	}
	if len(args) > 0 && args[0] != "" && !c.Bool("national") {
		p, err := chosenProcedure(c)
		if err != nil {
			return in, err
		}
		s, err := loadScenario(args[0], p)
		if err != nil {
			return in, err
		}
		if in, err = play.ForecastInput(s, p, pack, c.Int("devices")); err != nil {
			return in, clikit.With(clikit.Usage, err)
		}
	} else if c.IsSet("devices") {
		in.Estate.Premises = int(float64(in.Estate.Premises) * float64(c.Int("devices")) / float64(in.Estate.Devices))
		in.Estate.Devices = c.Int("devices")
	}
	if key := c.String("key"); key != "" && key != in.Key {
		in.Key, in.Party = key, ""
	}
	if c.IsSet("party") {
		in.Party = c.String("party")
	}
	return in, nil
}

// measureToken takes the rate at which a token signs here as the token's.
func measureToken(c *cli.Context, in *forecast.Input) error {
	progress := clikit.NewProgress(c.App.ErrWriter)
	progress.Step("measuring with real commands", 0, 0)
	measured, err := play.Measure(c.Context, progress.Step)
	progress.Clear()
	if err != nil {
		return err
	}
	a, _ := in.Assumptions.Find("token")
	a.Low, a.Likely, a.High = measured.Rate*0.8, measured.Rate, measured.Rate*1.2
	a.Mark = "T"
	a.Source = fmt.Sprintf("measured now on this computer: %d devices took a real command of three cells, %d cores, SoftHSM; the DCC's module is another", measured.Devices, runtime.NumCPU())
	in.Assumptions, err = in.Assumptions.With(a)
	return err
}

// writeNew writes a file that is not there yet.
func writeNew(file string, text []byte) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return clikit.With(clikit.Usage, fmt.Errorf("writing the assumptions: %w", err))
	}
	if _, err := f.Write(text); err != nil {
		f.Close()
		return fmt.Errorf("writing the assumptions: %w", err)
	}
	return f.Close()
}
