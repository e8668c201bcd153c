package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/signature"
)

func listenCommand(a *app) *cobra.Command {
	var addr string
	var secrets []string
	var bodies bool
	r := receiver{}
	c := &cobra.Command{
		Use:   "listen",
		Short: "A local receiver that verifies and prints what arrives",
		Long: `A local receiver that verifies every signature and prints what arrives, a line each. It answers 200, and 401
where the signature does not match. The secret comes from --secret or from HOOKBRIDGE_SECRET; a whpk_… public key
verifies ed25519 signatures.
--json: one {at, answer, verified, problem, id, again, replay, type, timestamp, job, key, sequence, origin, changed[], body} a
line; body comes with --bodies.`,
		Args: between(0, 0, ""),
	}
	flags := c.Flags()
	flags.StringVar(&addr, "addr", "127.0.0.1:9191", "`ADDRESS` to listen on")
	flags.StringArrayVar(&secrets, "secret", nil, "`SECRET` that signs what arrives (repeatable); better in HOOKBRIDGE_SECRET, which others cannot see")
	flags.StringVar(&r.path, "path", "", "answer on this `PATH` only")
	flags.BoolVar(&bodies, "bodies", false, "print bodies too")
	flags.Float64Var(&r.failRate, "fail-rate", 0, "`SHARE` of webhooks to refuse with 503, 0 to 1, to watch retries")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		if r.failRate < 0 || r.failRate > 1 {
			return wrongCall(cmd, "--fail-rate is a share from 0 to 1")
		}
		if r.path != "" && !strings.HasPrefix(r.path, "/") {
			return wrongCall(cmd, "--path begins with a slash")
		}
		if from, _ := a.lookup("HOOKBRIDGE_SECRET"); len(secrets) == 0 && from != "" {
			secrets = []string{from}
		}
		if len(secrets) == 0 {
			return &callError{"there is no secret to verify with", "put the destination's secret into HOOKBRIDGE_SECRET; a new one: hookbridge secret new"}
		}
		for i, s := range secrets {
			key, err := signature.ParseSecret(bridge.NewSecret(s))
			if err != nil {
				return wrongCall(cmd, "secret %d: %s", i+1, err)
			}
			r.keys = append(r.keys, key)
		}
		r.arrived = func(x arrival) { a.tellArrival(x, bodies) }
		return action(func(ctx context.Context, _ []string) error {
			listener, err := occupy(addr)
			if err != nil {
				return err
			}
			a.notef("listening on http://%s%s; stop with Ctrl-C\n", listener.Addr(), r.path)
			return serve(ctx, listener, &r)
		})(cmd, args)
	}
	return c
}

// occupy listens on an address and says what to do where it is taken.
func occupy(addr string) (net.Listener, error) {
	listener, err := net.Listen("tcp", addr)
	switch {
	case errors.Is(err, syscall.EADDRINUSE):
		return nil, hinted(fmt.Errorf("address %s is taken by another program", addr), "stop it (find it with: ss -ltnp), or name another address")
	case err != nil:
		return nil, fmt.Errorf("listen on %s: %w", addr, err)
	}
	return listener, nil
}

// serve answers until ctx ends.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute}
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	select {
	case err := <-ended:
		return fmt.Errorf("listen on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		_ = server.Close()
	}
	return nil
}

func (a *app) tellArrival(x arrival, bodies bool) {
	if a.json {
		if !bodies {
			x.Body = nil
		}
		_ = a.line(x)
		return
	}
	at := a.out.faint(x.At.Format("15:04:05.000"))
	if !x.Verified {
		a.printf("%s  %s  %s  answered %d\n", at, a.out.red("✗ NOT VERIFIED"), printable(x.Problem), x.Answer)
		return
	}
	mark := a.out.green("✓")
	if x.Answer != http.StatusOK {
		mark = a.out.yellow("✗")
	}
	line := fmt.Sprintf("%s  %s %s  %s", at, mark, a.arrivalWords(x), a.out.faint(printable(x.ID)))
	if x.Problem != "" {
		line += "  " + a.out.yellow(fmt.Sprintf("answered %d: %s", x.Answer, x.Problem))
	}
	a.printf("%s\n", line)
	if bodies {
		a.body("body", x.raw)
	}
}

// arrivalWords is a verified webhook in a few words.
func (a *app) arrivalWords(x arrival) string {
	words := []string{a.out.op(opOf(x.Type))(printable(x.Type))}
	if x.Type == "" {
		words[0] = "record"
	}
	if x.Key != "" {
		words = append(words, a.out.bold(cut(printable(x.Key), 40)))
	}
	if x.Job != "" {
		words = append(words, fmt.Sprintf("%s#%d", printable(x.Job), x.Sequence))
	}
	if len(x.Changed) > 0 {
		words = append(words, changedWords(x.Changed))
	}
	if x.Replay {
		words = append(words, a.out.cyan("replay"))
	}
	if x.Again {
		words = append(words, a.out.cyan("again"))
	}
	return strings.Join(words, "  ")
}

// opOf guesses the operation from the last word of a type, for its colour only.
func opOf(kind string) bridge.Op { return bridge.Op(kind[strings.LastIndexByte(kind, '.')+1:]) }
