package store

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"
)

// newDatabase chooses the database by the kind of address. What cannot be an
// address is refused without repeating it: it may hold a password.
func newDatabase(cfg Config) (database, error) {
	switch scheme, _, ok := strings.Cut(cfg.URL, "://"); {
	case ok && (scheme == "postgres" || scheme == "postgresql"):
		return newPostgres(cfg)
	case ok && scheme != "sqlite":
		return nil, fmt.Errorf("opening store: unknown kind of address %q; give the path of a SQLite file, or postgres://", scheme+"://")
	}
	return newSQLite(cfg)
}

// sqlitePath takes the file's path out of a store URL.
func sqlitePath(address string) (string, error) {
	path := strings.TrimPrefix(strings.TrimPrefix(address, "sqlite:"), "//")
	switch {
	case path == "":
		return "", errors.New("opening store: no path given; give the path of a SQLite file")
	case strings.Contains(path, ":memory:"):
		return "", errors.New("opening store: a database in memory would not survive the process; give the path of a SQLite file")
	}
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("opening store %q: %w", path, err)
	}
	return abs, nil
}

// checkPostgresAddress refuses a password anywhere but in a file: an address stands
// in the list of processes and in configuration files, and the environment is
// inherited by everything that is started.
func checkPostgresAddress(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		// url.Error would repeat the address.
		return errors.New("opening store: the postgres:// address cannot be read; it has the form postgres://USER@HOST:PORT/DATABASE")
	}
	_, inUser := u.User.Password()
	if query := u.Query(); inUser || query.Has("password") || query.Has("sslpassword") {
		return errors.New("opening store: the postgres:// address holds a password; put it in a file of mode 0600 in the form HOST:PORT:DATABASE:USER:PASSWORD and name the file with ?passfile= or PGPASSFILE")
	}
	if os.Getenv("PGPASSWORD") != "" {
		return errors.New("opening store: PGPASSWORD is set; put the password in a file of mode 0600 in the form HOST:PORT:DATABASE:USER:PASSWORD and name the file with ?passfile= or PGPASSFILE")
	}
	file := u.Query().Get("passfile")
	if file == "" {
		file = os.Getenv("PGPASSFILE")
	}
	if file == "" {
		return nil
	}
	info, err := os.Stat(file)
	if err != nil {
		return fmt.Errorf("opening store: reading the password file: %w", err)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return fmt.Errorf("opening store: the password file %q can be read by others (mode %04o); run chmod 600 on it", file, info.Mode().Perm())
	}
	return nil
}
