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

func initCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "init",
		Short: "Write a commented bridge.hcl to start from",
		Long:  "Write a commented bridge.hcl to start from. A file that exists is never overwritten.",
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
			a.printf("wrote %s\n", a.config)
			a.printf("next: put in where your system is and where changes go, then run: hookbridge plan\n")
			return nil
		}),
	}
}
