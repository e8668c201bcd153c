package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge/configs"
)

const nextSteps = `wrote %s
next:
  write into it where your system is and where changes go
  export HOOKBRIDGE_SECRET=$(hookbridge secret new)    the receiver needs it too
  hookbridge plan                                      what would be told
`

func initCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Write a commented bridge.hcl to start from",
		Long:  "Write a commented bridge.hcl to start from. A file that exists is never overwritten.\n--json: {created}.",
		Args:  between(0, 0, ""),
		RunE: action(func(context.Context, []string) error {
			f, err := os.OpenFile(a.config, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
			if errors.Is(err, fs.ErrExist) {
				return hinted(fmt.Errorf("%s exists already", a.config), "look at it with: hookbridge validate")
			}
			if err != nil {
				return fmt.Errorf("write a first configuration: %w", err)
			}
			_, err = f.WriteString(configs.Starter)
			if err = errors.Join(err, f.Close()); err != nil {
				return fmt.Errorf("write %s: %w", a.config, err)
			}
			if a.json {
				return a.document(map[string]string{"created": a.config})
			}
			a.printf(nextSteps, a.config)
			return nil
		}),
	}
}
