package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/sync/errgroup"

	"smki.example/cmd/clikit"
	"smki.example/drills/console"
	"smki.example/drills/room"
	"smki.example/drills/roombook"
)

// certificateFile is the room's certificate with its key, in the home.
const certificateFile = "server.pem"

func serveCommand() *cli.Command {
	return &cli.Command{
		Name:  "serve",
		Usage: "open the exercise room: people join with a browser, decide, and see what comes of it",
		Description: `Prints a link for the facilitator and one for those who join, and serves until Ctrl-C. Nothing needs to be installed on the
others' phones and laptops, and nothing leaves this computer: the room works with the network cable out.

On loopback (127.0.0.1, localhost) pages are sent in the clear. On a network they are sent under TLS with a certificate that is
made at first use and kept in the home; browsers warn of it once, and its fingerprint is printed here, shown on the room screen
and in the QR code, so that people can compare.

The facilitator's link opens everything: do not show it on the projector. Exercises are folders of the home; an exercise that was
not closed goes on where it was when the server starts again, and --new begins another. Ctrl-C stops the server and loses nothing.

--json prints {url, facilitator, join, observers, screen, fingerprint, exercise} before it serves.

Exit: 0 it was stopped; 1 it could not serve; 2 wrong usage; 4 no SoftHSM.

Examples:
  drill serve --listen 127.0.0.1:8080
  drill serve --listen :8443 --url https://room.example:8443`,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "listen", Value: "127.0.0.1:8080", Usage: "where to serve (`HOST:PORT`); port 0 chooses a free one"},
			&cli.StringFlag{Name: "home", Usage: "the exercises' `DIR` (default: in your configuration folder)"},
			&cli.StringFlag{Name: "exercise", Usage: "the exercise's `NAME` (default: the newest that is not closed, or a new one)"},
			&cli.BoolFlag{Name: "new", Usage: "begin a new exercise, whatever stands open"},
			&cli.StringFlag{Name: "url", Usage: "the address by which people reach the server (`URL`; default: this computer's)"},
			&cli.StringFlag{Name: "record-key", Usage: "the record key's `FILE` (default: in your configuration folder; made at first use)"},
			procedureFlag(),
			clikit.JSONFlag(),
		},
		Action: serve,
	}
}

func serve(c *cli.Context) error {
	if _, err := clikit.Arguments(c); err != nil {
		return err
	}
	pack, err := chosenProcedure(c)
	if err != nil {
		return err
	}
	key, err := recordKey(c.String("record-key"))
	if err != nil {
		return err
	}
	home, err := exercises(c.String("home"))
	if err != nil {
		return err
	}
	name, err := chosenExercise(c, home)
	if err != nil {
		return err
	}
	logger := slog.New(slog.NewTextHandler(c.App.ErrWriter, nil))
	d, err := openDoor(c.String("listen"), c.String("url"), home)
	if err != nil {
		return err
	}
	defer d.listener.Close()
	r, err := room.Open(c.Context, room.Config{Home: home, Name: name, Procedure: pack, RecordKey: key, Log: logger})
	if err != nil {
		return fmt.Errorf("opening the exercise room: %w", err)
	}
	defer r.Close()
	pages, err := console.New(console.Config{Room: r, URL: d.url, Fingerprint: d.fingerprint, Hosts: d.hosts, Log: logger})
	if err != nil {
		return err
	}
	if err := invite(c, pages, r, d, home); err != nil {
		return err
	}
	// The room stops after its pages: what is being sent to it is still written down.
	all, ctx := errgroup.WithContext(c.Context)
	playing, stop := context.WithCancel(context.WithoutCancel(ctx))
	all.Go(func() error {
		defer stop()
		return pages.Serve(ctx, d.listener, d.certificate)
	})
	all.Go(func() error {
		err := r.Run(playing)
		if errors.Is(err, context.Canceled) && playing.Err() != nil {
			return nil
		}
		return err
	})
	if err := all.Wait(); err != nil {
		return err
	}
	if !clikit.WantsJSON(c) {
		fmt.Fprintln(c.App.Writer, "Stopped. Everything is in the record; the same command goes on with it.")
	}
	return nil
}

// exercises is the folder of the exercises. Who can write there can make up a
// meeting; who can read it can join as the facilitator.
func exercises(dir string) (string, error) {
	if dir == "" {
		config, err := os.UserConfigDir()
		if err != nil {
			return "", clikit.Usagef("drill serve: there is no configuration folder for the exercises (%v): name a folder with --home", err)
		}
		dir = filepath.Join(config, "smki-drill", "exercises")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", fmt.Errorf("making the exercises' folder: %w", err)
	}
	return dir, nil
}

// chosenExercise is the exercise to open: the one that is named, the newest that is
// not closed, or none, which begins a new one.
func chosenExercise(c *cli.Context, home string) (string, error) {
	name, begin := c.String("exercise"), c.Bool("new")
	switch {
	case name != "" && begin:
		return "", clikit.Usagef("drill serve: --exercise names one and --new begins one; give one of the two")
	case name != "" && (name != filepath.Base(name) || strings.HasPrefix(name, ".")):
		return "", clikit.Usagef("drill serve: --exercise %q is no name of a folder in %q", name, home)
	case name != "":
		return name, nil
	case begin:
		return "", nil
	}
	books, err := filepath.Glob(filepath.Join(home, "*", roombook.FileName))
	if err != nil {
		return "", fmt.Errorf("looking for exercises in %q: %w", home, err)
	}
	var newest time.Time
	for _, book := range books {
		info, err := os.Stat(book)
		if err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				continue
			}
			return "", fmt.Errorf("looking for exercises in %q: %w", home, err)
		}
		if info.ModTime().After(newest) {
			newest, name = info.ModTime(), filepath.Base(filepath.Dir(book))
		}
	}
	if name != "" && closed(filepath.Join(home, name)) {
		return "", nil
	}
	return name, nil
}

// closed says whether an exercise's book has its end. A book that cannot be read is
// not closed: opening it says what is wrong with it.
func closed(dir string) bool {
	is := false
	for e, err := range roombook.Read(dir) {
		if err != nil {
			return false
		}
		if p, ok := e.Body.(roombook.Phase); ok {
			is = p.Phase == string(room.Closed)
		}
	}
	return is
}

// A door is where the room is served.
type door struct {
	listener    net.Listener
	url         string
	certificate *tls.Certificate // nil: in the clear, on loopback
	fingerprint string
	hosts       []string // names that may be used; empty: any
}

// openDoor listens. In the clear on loopback only; elsewhere with the home's
// certificate.
func openDoor(listen, at, home string) (_ *door, err error) {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return nil, clikit.Usagef("drill serve: --listen %q is no HOST:PORT, such as 127.0.0.1:8080 or :8443", listen)
	}
	if at != "" {
		u, err := url.Parse(at)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.Trim(u.Path, "/") != "" {
			return nil, clikit.Usagef("drill serve: --url %q is no address of a server, such as https://room.example:8443", at)
		}
		if u.Scheme == "http" && !loopback(host) {
			return nil, clikit.Usagef("drill serve: --url %q would send pages in the clear over a network; give an https address", at)
		}
	}
	d := &door{url: strings.TrimRight(at, "/")}
	if d.listener, err = net.Listen("tcp", listen); err != nil {
		return nil, fmt.Errorf("opening %q: %w; choose another port with --listen, or stop what uses it", listen, err)
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.listener.Close())
		}
	}()
	_, port, err := net.SplitHostPort(d.listener.Addr().String())
	if err != nil {
		return nil, fmt.Errorf("opening %q: %w", listen, err)
	}
	if loopback(host) {
		if d.url == "" {
			d.url = "http://" + net.JoinHostPort(host, port)
		}
		d.hosts = append([]string{"localhost", "127.0.0.1", "::1"}, hostOf(d.url))
		return d, nil
	}
	names := reached(host)
	if d.url == "" {
		d.url = "https://" + net.JoinHostPort(names[0], port)
	}
	certificate, fingerprint, err := console.Certificate(filepath.Join(home, certificateFile), append(names, hostOf(d.url), "localhost", "127.0.0.1", "::1"), time.Now())
	if err != nil {
		return nil, err
	}
	d.certificate, d.fingerprint = &certificate, fingerprint
	return d, nil
}

func hostOf(at string) string {
	u, err := url.Parse(at)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Hostname())
}

// loopback says whether a host is this computer and nobody else's.
func loopback(host string) bool {
	ip := net.ParseIP(host)
	return strings.EqualFold(host, "localhost") || ip != nil && ip.IsLoopback()
}

// reached are the names by which others reach a listener, the best one first: the
// host itself, or where it is every address of this computer, those.
func reached(host string) []string {
	if ip := net.ParseIP(host); host != "" && (ip == nil || !ip.IsUnspecified()) {
		return []string{host}
	}
	var names []string
	// Without the list the name of the computer remains.
	addresses, _ := net.InterfaceAddrs()
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() && !n.IP.IsLinkLocalUnicast() {
			names = append(names, n.IP.String())
		}
	}
	if name, err := os.Hostname(); err == nil && name != "" {
		names = append(names, name)
	}
	if len(names) == 0 {
		names = []string{"localhost"}
	}
	return names
}

// invite prints the links.
func invite(c *cli.Context, pages *console.Console, r *room.Room, d *door, home string) error {
	codes, facilitator := r.Codes()
	links := struct {
		URL         string `json:"url"`
		Facilitator string `json:"facilitator"`
		Join        string `json:"join"`
		Code        string `json:"code"`
		Observers   string `json:"observers"`
		Screen      string `json:"screen"`
		Fingerprint string `json:"fingerprint,omitempty"`
		Home        string `json:"home"`
	}{d.url, pages.JoinLink(facilitator), pages.JoinLink(codes.Player), codes.Player, pages.JoinLink(codes.Observer), pages.JoinLink(codes.Screen), d.fingerprint, home}
	if clikit.WantsJSON(c) {
		return clikit.JSON(c.App.Writer, links)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "EXERCISE ROOM. Nothing in it is real.\n\n")
	fmt.Fprintf(&b, "Facilitator (opens everything; keep it to yourself)\n  %s\n\n", links.Facilitator)
	fmt.Fprintf(&b, "Players join with the code %s at %s, or by this link\n  %s\n\n", links.Code, links.URL, links.Join)
	fmt.Fprintf(&b, "Observers\n  %s\nRoom screen, for the projector\n  %s\n\n", links.Observers, links.Screen)
	if d.certificate != nil {
		fmt.Fprintf(&b, "Browsers warn once that they do not know this server's certificate. It is the right one if its SHA-256 fingerprint is\n  %s\n\n", d.fingerprint)
	}
	fmt.Fprintf(&b, "The record is kept in %s. Ctrl-C stops the room and loses nothing.\n", links.Home)
	_, err := io.WriteString(c.App.Writer, b.String())
	return err
}
