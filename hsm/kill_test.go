package hsm_test

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"smki.example/hsm"
	"smki.example/softhsm"
)

// childVariable makes the test binary another process of a token: "MODE COUNT DIR".
const childVariable = "SMKI_HSM_TEST_CHILD"

func TestMain(m *testing.M) {
	if order := os.Getenv(childVariable); order != "" {
		if err := child(order); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// child opens the token again and again, and each time signs with the CA's key, or
// makes and destroys a key of its own. It writes a line for each time.
func child(order string) error {
	fields := strings.SplitN(order, " ", 3)
	count, err := strconv.Atoi(fields[1])
	if err != nil {
		return err
	}
	soft, err := softhsm.Open(fields[2])
	if err != nil {
		return err
	}
	fmt.Println("begins")
	for i := range count {
		if err := childTurn(fields[0], soft, i); err != nil {
			return err
		}
		fmt.Println("turn", i)
	}
	return nil
}

func childTurn(mode string, soft *softhsm.Token, i int) (err error) {
	ctx := context.Background()
	token, err := hsm.Open(ctx, hsm.FromSoftHSM(soft))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, token.Close()) }()
	if mode == "generate" {
		label := hsm.Label(fmt.Sprintf("child-%d", os.Getpid()), i+1)
		if _, err := token.Generate(ctx, hsm.KeySpec{Label: label, Use: hsm.Sign}); err != nil {
			return err
		}
		return token.Destroy(ctx, label)
	}
	key, err := token.Key(ctx, "issuing-oca-1")
	if err != nil {
		return err
	}
	digest := make([]byte, 32)
	der, err := key.SignDigest(ctx, digest)
	if err == nil && !ecdsa.VerifyASN1(key.Public(), digest, der) {
		err = errors.New("the signature is wrong")
	}
	return err
}

// A process is a child that runs.
type process struct {
	cmd    *exec.Cmd
	stderr strings.Builder
	lines  *bufio.Reader
}

func start(t *testing.T, mode string, count int, dir string) *process {
	t.Helper()
	p := &process{cmd: exec.Command(os.Args[0])}
	p.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s %d %s", childVariable, mode, count, dir))
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	require.NoError(t, err)
	p.lines = bufio.NewReader(out)
	require.NoError(t, p.cmd.Start())
	t.Cleanup(func() { p.cmd.Process.Kill() })
	return p
}

// killAtRandom kills the process at some moment after it has begun, and returns
// its complaint if it ended by itself.
func (p *process) killAtRandom() error {
	if line, err := p.lines.ReadString('\n'); err != nil || line != "begins\n" {
		p.cmd.Wait()
		return fmt.Errorf("%q: %s", line, p.stderr.String())
	}
	timer := time.AfterFunc(time.Duration(rand.Int64N(int64(30*time.Millisecond))), func() { p.cmd.Process.Kill() })
	defer timer.Stop()
	io.Copy(io.Discard, p.lines)
	p.cmd.Wait()
	if p.cmd.ProcessState.Exited() {
		return errors.New(p.stderr.String())
	}
	return nil
}

// endure returns how many rounds a test of chance goes, by default and under SMKI_SOAK=1.
func endure(rounds, soak int) int {
	if os.Getenv("SMKI_SOAK") == "1" {
		return soak
	}
	return rounds
}

// caToken makes a token with a CA key, closed.
func caToken(t *testing.T, label string) *softhsm.Token {
	t.Helper()
	soft := softhsm.ForTest(t, label)
	token, err := hsm.Open(t.Context(), hsm.FromSoftHSM(soft))
	require.NoError(t, err)
	generate(t, token, "issuing-oca-1", hsm.Sign)
	generate(t, token, "health-1", hsm.Sign)
	require.NoError(t, token.Close())
	return soft
}

// stillSigns fails unless the token opens, lists, and signs with the CA's key.
func stillSigns(t *testing.T, soft *softhsm.Token) {
	t.Helper()
	token, err := hsm.Open(t.Context(), hsm.FromSoftHSM(soft))
	require.NoError(t, err)
	defer token.Close()
	key, err := token.Key(t.Context(), "issuing-oca-1")
	require.NoError(t, err)
	signAndVerify(t, key)
	require.NoError(t, token.Health(t.Context()))
}

func TestATokenOutlivesKilledProcesses(t *testing.T) {
	t.Parallel()
	soft := caToken(t, "EXERCISE killed")
	for range endure(60, 3000) {
		require.NoError(t, start(t, "sign", 1<<30, soft.Dir).killAtRandom())
	}
	stillSigns(t, soft)
}

func TestATokenOutlivesProcessesKilledWhileTheyGenerate(t *testing.T) {
	t.Parallel()
	soft := caToken(t, "EXERCISE killed making keys")
	for range endure(20, 1000) {
		require.NoError(t, start(t, "generate", 1<<30, soft.Dir).killAtRandom())
		stillSigns(t, soft)
	}
}

func TestATokenOutlivesManyProcessesThatAreKilled(t *testing.T) {
	t.Parallel()
	soft := caToken(t, "EXERCISE killed together")
	var wg sync.WaitGroup
	for i := range 4 {
		mode := "sign"
		if i == 3 {
			mode = "generate"
		}
		wg.Go(func() {
			for range endure(10, 500) {
				if err := start(t, mode, 1<<30, soft.Dir).killAtRandom(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	stillSigns(t, soft)
}

// TestManyProcessesOpenOneToken has no process fail, whatever the others write, and a
// session that is open all the while sign on.
func TestManyProcessesOpenOneToken(t *testing.T) {
	t.Parallel()
	soft := caToken(t, "EXERCISE crowded")
	here := open(t, soft)
	plain, err := here.Key(t.Context(), "issuing-oca-1")
	require.NoError(t, err)
	copied, err := here.Generate(t.Context(), hsm.KeySpec{Label: "issuing-dca-1", Use: hsm.Sign, Modifiable: true})
	require.NoError(t, err)

	var wg sync.WaitGroup
	for i := range 4 {
		mode := "sign"
		if i == 3 {
			mode = "generate"
		}
		p := start(t, mode, endure(30, 1000), soft.Dir)
		wg.Go(func() {
			io.Copy(io.Discard, p.lines)
			if err := p.cmd.Wait(); err != nil {
				t.Errorf("%v: %s", err, p.stderr.String())
			}
		})
	}
	done := make(chan struct{})
	go func() { wg.Wait(); close(done) }()
	for {
		signAndVerify(t, plain)
		signAndVerify(t, copied)
		require.NoError(t, here.Health(t.Context()))
		select {
		case <-done:
			return
		default:
		}
	}
}
