package console

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

const (
	// headTime is how long a client may take to say what it wants, bodyTime to send
	// all of it, and answerTime to read the answer. The stream sets its own times.
	headTime   = 5 * time.Second
	bodyTime   = 15 * time.Second
	answerTime = 30 * time.Second
	idleTime   = 2 * time.Minute
	headMost   = 16 << 10
	// connectionsMost bounds what may be open at once: a hundred people with some pages
	// each, and room for those who only ask.
	connectionsMost = 2000
	// stopTime is how long pages that are being sent may take when the server stops.
	stopTime = 5 * time.Second
)

// Serve answers on a listener until ctx is done, with TLS if there is a certificate.
// It closes the listener, ends the streams and returns when everything it started
// has ended. nil means that it was asked to stop.
func (c *Console) Serve(ctx context.Context, l net.Listener, certificate *tls.Certificate) error {
	base, cut := context.WithCancel(context.WithoutCancel(ctx))
	defer cut()
	l = &bounded{Listener: l, free: make(chan struct{}, connectionsMost)}
	s := &http.Server{
		Handler: c.Handler(), BaseContext: func(net.Listener) context.Context { return base },
		ReadHeaderTimeout: headTime, ReadTimeout: bodyTime, WriteTimeout: answerTime, IdleTimeout: idleTime, MaxHeaderBytes: headMost,
		ErrorLog: log.New(&quiet{c.log}, "", 0),
	}
	served := make(chan error, 1)
	go func() {
		if certificate == nil {
			served <- s.Serve(l)
			return
		}
		s.TLSConfig = &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS12}
		served <- s.ServeTLS(l, "", "")
	}()
	select {
	case err := <-served:
		return fmt.Errorf("serving the exercise room: %w", err)
	case <-ctx.Done():
	}
	cut() // streams do not end by themselves
	stop, cancel := context.WithTimeout(context.Background(), stopTime)
	defer cancel()
	err := s.Shutdown(stop)
	if err != nil {
		err = errors.Join(err, s.Close())
	}
	<-served
	if errors.Is(err, context.DeadlineExceeded) {
		return nil // somebody read slowly; nothing of theirs is lost
	}
	return err
}

// quiet takes what the server says of clients that do not speak TLS or go away: news
// for somebody who looks for it.
type quiet struct{ log *slog.Logger }

func (q *quiet) Write(line []byte) (int, error) {
	q.log.Debug("a connection failed", "said", clean(string(line)))
	return len(line), nil
}

// bounded is a listener that has so many connections at most; the next one waits
// until one is closed.
type bounded struct {
	net.Listener
	free chan struct{}
}

func (b *bounded) Accept() (net.Conn, error) {
	b.free <- struct{}{}
	conn, err := b.Listener.Accept()
	if err != nil {
		<-b.free
		return nil, err
	}
	return &counted{Conn: conn, free: b.free}, nil
}

type counted struct {
	net.Conn
	free chan struct{}
	once sync.Once
}

func (c *counted) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { <-c.free })
	return err
}
