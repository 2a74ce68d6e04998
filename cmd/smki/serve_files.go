package main

import (
	"context"
	"crypto"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"smki.example/ca/repository"
)

// filesEvery is how often a server looks whether the day's files are due.
const filesEvery = time.Minute

// A filer publishes the Repository's daily files. Of several servers on one database one
// does it at a time (see jobs); each makes anew what its own folder lacks.
type filer struct {
	repository *repository.Repository
	settings   fileSettings
	location   *time.Location
	now        func() time.Time
	logger     *slog.Logger
}

// repositoryConfig is the Repository as services.json has it.
func (d *desk) repositoryConfig(s *services, logger *slog.Logger) (repository.Config, error) {
	r := s.Repository
	cfg := repository.Config{
		Demand:     repository.Demand{Rate: r.Rate, Burst: r.Burst, Location: s.location},
		Acceptance: time.Duration(r.Acceptance), Directory: d.home.path(r.Files.Directory),
		Retain: repository.Retain{Full: r.Files.Full, Delta: r.Files.Delta}, Logger: logger,
	}
	if r.Files.SignKey != "" {
		key, err := readKey(d.home.path(r.Files.SignKey))
		if err != nil {
			return cfg, fmt.Errorf("%s: repository.files.sign_key: %w", servicesFile, err)
		}
		cfg.Signer = func(context.Context) crypto.Signer { return key }
	}
	return cfg, nil
}

// run keeps the folder complete until ctx ends.
func (f *filer) run(ctx context.Context) {
	if f.settings.Off {
		return
	}
	ticker := time.NewTicker(filesEvery)
	defer ticker.Stop()
	for {
		if err := f.restore(ctx); err != nil && ctx.Err() == nil {
			f.logger.Error("making published files anew", "error", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// publish publishes what is due, the delta first, because it is what readers wait for.
func (f *filer) publish(ctx context.Context) error {
	h, m, _ := f.now().In(f.location).Clock()
	if time.Duration(h)*time.Hour+time.Duration(m)*time.Minute < time.Duration(f.settings.At) {
		return nil
	}
	delta, full, err := f.repository.Due(ctx)
	if err != nil {
		return err
	}
	for _, kind := range []struct {
		due  bool
		kind repository.FileKind
	}{{delta, repository.DeltaFile}, {full, repository.FullFile}} {
		if !kind.due {
			continue
		}
		made, err := f.repository.Publish(ctx, repository.Publication{Kind: kind.kind, By: "schedule"})
		if made != nil {
			f.logger.Info("file published", "name", made.Name, "certificates", made.Certificates, "changes", made.Changes, "octets", made.Octets)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// restore makes anew what this node's folder lacks, because another node made it or
// somebody removed it.
func (f *filer) restore(ctx context.Context) error {
	files, err := f.repository.Files(ctx)
	if err != nil {
		return err
	}
	for _, file := range files {
		if _, err := os.Stat(filepath.Join(f.repository.Directory, file.Name)); !errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if _, err := f.repository.Remake(ctx, file.Number); err != nil {
			return err
		}
		f.logger.Info("file made anew", "name", file.Name)
	}
	return nil
}
