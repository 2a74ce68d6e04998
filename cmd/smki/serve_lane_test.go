package main

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// A full lane answers 503 at once, and what is in it goes on.
func TestLaneIsFull(t *testing.T) {
	t.Parallel()
	inside, leave := make(chan struct{}), make(chan struct{})
	l := lane{atOnce: 1, body: 10, read: time.Minute, write: time.Minute}
	server := httptest.NewServer(l.bound(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/wait" {
			close(inside)
			<-leave
		}
		if _, err := io.ReadAll(r.Body); err != nil {
			http.Error(w, err.Error(), http.StatusRequestEntityTooLarge)
		}
	})))
	t.Cleanup(server.Close)
	first := make(chan int, 1)
	go func() {
		answer, err := http.Get(server.URL + "/wait")
		if err != nil {
			first <- 0
			return
		}
		answer.Body.Close()
		first <- answer.StatusCode
	}()
	<-inside
	status, _ := fetch(t, server.URL)
	require.Equal(t, http.StatusServiceUnavailable, status)
	close(leave)
	require.Equal(t, http.StatusOK, <-first)
	status, _ = call(t, http.DefaultClient, "POST", server.URL, strings.Repeat("x", 10))
	require.Equal(t, http.StatusOK, status)
	status, _ = call(t, http.DefaultClient, "POST", server.URL, strings.Repeat("x", 11))
	require.Equal(t, http.StatusRequestEntityTooLarge, status)
}

// Who sends too slowly is cut off; whose answer takes longer than sending may is not.
func TestLaneTimes(t *testing.T) {
	t.Parallel()
	l := lane{atOnce: 8, body: 1 << 20, read: 200 * time.Millisecond, write: time.Minute}
	slow, ended := make(chan error, 1), make(chan error, 1)
	server := httptest.NewServer(l.bound(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, err := io.ReadAll(r.Body)
		if r.URL.Path == "/slow" {
			slow <- err
			return
		}
		select {
		case <-r.Context().Done():
			ended <- r.Context().Err()
		case <-time.After(3 * l.read): // the work of an answer
			ended <- nil
		}
	})))
	t.Cleanup(server.Close)
	body, write := io.Pipe()
	go func() {
		request, _ := http.NewRequest("POST", server.URL+"/slow", body)
		if answer, err := http.DefaultClient.Do(request); err == nil {
			answer.Body.Close()
		}
	}()
	_, err := write.Write([]byte("the first octets, and then nothing"))
	require.NoError(t, err)
	require.Error(t, <-slow)
	require.NoError(t, write.CloseWithError(errors.New("given up")))

	for _, body := range []string{"", "a short document"} {
		status, _ := call(t, http.DefaultClient, "POST", server.URL, body)
		require.Equal(t, http.StatusOK, status)
		require.NoError(t, <-ended, "body %q", body)
	}
}
