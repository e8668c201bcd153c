// Command hookbridge polls systems that cannot send webhooks and sends signed webhooks for what changed.
package main

import (
	"context"
	"io"
	"log" //nolint:depguard // only to silence what net/http writes there
	"os"
)

func main() {
	log.SetOutput(io.Discard) // where net/http writes down what a source sends unasked, with all that is secret in it
	os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.LookupEnv))
}
