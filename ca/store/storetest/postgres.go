package storetest

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	_ "github.com/jackc/pgx/v5/stdlib" // the administrator's connection

	"smki.example/ca/store"
)

// A Server is a private PostgreSQL that nobody else can reach: it listens on a
// socket in a folder of its own, asks for a password, and is gone with its folder
// when the process that started it has ended, however it ended.
//
// PostgreSQL refuses to run as root; started by root, it runs as "nobody".
type Server struct {
	folder  string
	bin     string
	durable bool
	as      *syscall.Credential

	mu   sync.Mutex
	cmd  *exec.Cmd
	keep io.Closer // its end tells the guard to end the server
}

// how says how to get a PostgreSQL.
const how = "install PostgreSQL (Debian, Ubuntu: apt-get install postgresql; its programs may lie in /usr/lib/postgresql/*/bin)"

// shared is the one server of a test binary.
var shared = sync.OnceValues(func() (*Server, error) {
	s, err := start(false)
	if err != nil {
		return nil, err
	}
	return s, s.makeTemplate()
})

// template is a database with the tables of this version in it. Copying it takes a
// tenth of the time of making the tables anew.
const template = "smki_template"

func (s *Server) makeTemplate() error {
	if _, err := create(s.address("postgres"), template, "template0"); err != nil {
		return err
	}
	made, err := store.Open(context.Background(), store.Config{URL: s.address(template)})
	if err != nil {
		return err
	}
	return made.Close()
}

// Postgres returns the address of a new, empty database on a private server, one
// server a test binary, which does not sync: it is as fast as a test wants and as
// safe as a test needs. Without the programs of PostgreSQL the test is skipped, and
// fails if SMKI_NO_SKIP=1.
func Postgres(t testing.TB) string {
	t.Helper()
	return database(t, server(t), "template0")
}

// server is the address of the shared server's own database.
func server(t testing.TB) string {
	t.Helper()
	if again := os.Getenv(onPostgres); again != "" {
		return again
	}
	s, err := shared()
	refuse(t, err)
	return s.address("postgres")
}

// NewServer starts a server for one test, which may kill it, or measure it with
// durable set: then a commit is on disk, as in life.
func NewServer(t testing.TB, durable bool) *Server {
	t.Helper()
	s, err := start(durable)
	refuse(t, err)
	t.Cleanup(s.Stop)
	return s
}

// refuse skips or fails a test that has no server.
func refuse(t testing.TB, err error) {
	t.Helper()
	switch {
	case err == nil:
	case errors.Is(err, exec.ErrNotFound) && os.Getenv("SMKI_NO_SKIP") != "1":
		t.Skipf("no PostgreSQL: %v; %s", err, how)
	default:
		t.Fatalf("starting a private PostgreSQL: %v; %s", err, how)
	}
}

func start(durable bool) (*Server, error) {
	bin, err := programs()
	if err != nil {
		return nil, err
	}
	folder, err := os.MkdirTemp("", "smki-postgres-")
	if err != nil {
		return nil, err
	}
	s := &Server{folder: folder, bin: bin, durable: durable}
	if os.Geteuid() == 0 {
		if s.as, err = nobody(); err != nil {
			return nil, err
		}
	}
	if err := s.create(); err != nil {
		os.RemoveAll(folder)
		return nil, err
	}
	if err := s.Start(); err != nil {
		os.RemoveAll(folder)
		return nil, err
	}
	return s, nil
}

// programs finds the folder of initdb and postgres, newest version first.
func programs() (string, error) {
	var folders []string
	if path, err := exec.LookPath("initdb"); err == nil {
		folders = append(folders, filepath.Dir(path))
	}
	for _, pattern := range []string{"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql*/bin", "/usr/local/bin"} {
		found, _ := filepath.Glob(pattern)
		slices.Reverse(found)
		folders = append(folders, found...)
	}
	for _, folder := range folders {
		if whole(folder) {
			return folder, nil
		}
	}
	return "", fmt.Errorf("initdb and postgres: %w", exec.ErrNotFound)
}

func whole(folder string) bool {
	for _, program := range []string{"initdb", "postgres"} {
		if _, err := exec.LookPath(filepath.Join(folder, program)); err != nil {
			return false
		}
	}
	return true
}

func nobody() (*syscall.Credential, error) {
	u, err := user.Lookup("nobody")
	if err != nil {
		return nil, fmt.Errorf("PostgreSQL does not run as root, and there is no user nobody: %w", err)
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, err
}

func (s *Server) data() string { return filepath.Join(s.folder, "data") }

// create makes the data folder. The password is a file from its first moment on.
func (s *Server) create() error {
	password := filepath.Join(s.folder, "password")
	if err := os.WriteFile(password, []byte("drowssap"), 0o600); err != nil {
		return err
	}
	if s.as != nil {
		for _, path := range []string{s.folder, password} {
			if err := os.Chown(path, int(s.as.Uid), int(s.as.Gid)); err != nil {
				return err
			}
		}
	}
	// Made by us, for us: libpq's form, which pgx reads.
	if err := os.WriteFile(filepath.Join(s.folder, "pgpass"), []byte("*:*:*:*:drowssap\n"), 0o600); err != nil {
		return err
	}
	cmd := exec.Command(filepath.Join(s.bin, "initdb"), "-D", s.data(), "-U", "postgres", "--pwfile", password,
		"-A", "scram-sha-256", "-E", "UTF8", "--locale=C", "--no-sync")
	cmd.Dir, cmd.SysProcAttr = s.folder, &syscall.SysProcAttr{Credential: s.as}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return nil
}

// guard is the server's parent: it ends server and folder when the other end of its
// input is closed, which the kernel does for a process that dies.
const guard = `"$1/postgres" -D "$2/data" -k "$2" -c listen_addresses= -c max_connections=300 -c shared_buffers=32MB \
	-c max_wal_size=256MB -c fsync="$3" -c full_page_writes="$3" -c synchronous_commit="$3" -c logging_collector=off >>"$2/log" 2>&1 </dev/null &
echo $! >"$2/pid"
cat >/dev/null
kill -QUIT $! 2>/dev/null; wait
[ -e "$2/keep" ] || rm -rf "$2"
rm -f "$2/keep" 2>/dev/null`

// Start starts the server after Kill, and returns when it answers.
func (s *Server) Start() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	flag := "off"
	if s.durable {
		flag = "on"
	}
	s.cmd = exec.Command("/bin/sh", "-c", guard, "guard", s.bin, s.folder, flag)
	// A group of its own: an interrupt at the terminal is for the test.
	s.cmd.Dir, s.cmd.SysProcAttr = s.folder, &syscall.SysProcAttr{Credential: s.as, Setpgid: true}
	keep, err := s.cmd.StdinPipe()
	if err != nil {
		return err
	}
	s.keep = keep
	if err := s.cmd.Start(); err != nil {
		return err
	}
	db, err := sql.Open("pgx", s.address("postgres"))
	if err != nil {
		return err
	}
	defer db.Close()
	// The server says nothing when it is ready; asking is all there is.
	for deadline := time.Now().Add(time.Minute); ; {
		if err = db.PingContext(context.Background()); err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			log, _ := os.ReadFile(filepath.Join(s.folder, "log"))
			return fmt.Errorf("the server does not answer: %w: %s", err, log)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Kill ends every process of the server with SIGKILL, as a power cut would. The
// data stays, and Start starts on it again.
func (s *Server) Kill() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := os.WriteFile(filepath.Join(s.folder, "keep"), nil, 0o666); err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(s.folder, "pid"))
	if err != nil {
		return err
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return err
	}
	// The server's own children notice that it is gone, and end; but a server that is
	// started while one of them is left refuses to. Who has no /proc waits for luck.
	children, _ := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", pid, pid))
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		return err
	}
	for _, text := range strings.Fields(string(children)) {
		child, err := strconv.Atoi(text)
		for err == nil && child > 1 {
			if err = syscall.Kill(child, syscall.SIGKILL); err == nil {
				time.Sleep(time.Millisecond)
			}
		}
	}
	s.keep.Close()
	_ = s.cmd.Wait() // the guard's last command may fail, and that means nothing
	_ = os.Remove(filepath.Join(s.data(), "postmaster.pid"))
	_ = os.Remove(filepath.Join(s.folder, "keep"))
	return nil
}

// Stop ends the server and removes its folder.
func (s *Server) Stop() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keep.Close()
	_ = s.cmd.Wait()
	os.RemoveAll(s.folder)
}

func (s *Server) address(database string) string {
	q := url.Values{"host": {s.folder}, "user": {"postgres"}, "passfile": {filepath.Join(s.folder, "pgpass")}}
	return "postgres:///" + database + "?" + q.Encode()
}

// Database makes a new, empty database and returns its address.
func (s *Server) Database(t testing.TB) string {
	t.Helper()
	return database(t, s.address("postgres"), "template0")
}

// databases counts them, for their names.
var databases atomic.Int64

// database makes a new database, as a copy of another, on the server whose own
// database is at address.
func database(t testing.TB, address, from string) string {
	t.Helper()
	name := fmt.Sprintf("test_%d_%d", os.Getpid(), databases.Add(1))
	made, err := create(address, name, from)
	if err != nil {
		t.Fatalf("making a database: %v", err)
	}
	return made
}

func create(address, name, from string) (string, error) {
	db, err := sql.Open("pgx", address)
	if err != nil {
		return "", err
	}
	defer db.Close()
	if _, err := db.Exec(`CREATE DATABASE ` + name + ` TEMPLATE ` + from); err != nil {
		return "", err
	}
	u, err := url.Parse(address)
	if err != nil {
		return "", err
	}
	u.Path = "/" + name
	return u.String(), nil
}
