package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge/configs"
)

func fmtCommand(a *app) *cobra.Command {
	var check bool
	c := &cobra.Command{
		Use:   "fmt [FILE...]",
		Short: "Rewrite configuration files in canonical style",
		Long: `Rewrite configuration files in canonical style: indentation and aligned equals signs, nothing else.
Without FILE it is the configuration itself; - reads stdin and writes stdout. Prints the files it changed.
--json: {changed[]}.`,
		Args: between(0, -1, ""),
		RunE: action(func(_ context.Context, args []string) error {
			if len(args) == 0 {
				args = []string{a.config}
			}
			changed := []string{}
			for _, name := range args {
				differs, err := a.format(name, check)
				if err != nil {
					return err
				}
				if differs {
					changed = append(changed, name)
				}
			}
			switch {
			case len(args) == 1 && args[0] == "-" && !check:
				return nil // stdout is the file
			case a.json:
				if err := a.document(map[string][]string{"changed": changed}); err != nil {
					return err
				}
			default:
				for _, name := range changed {
					a.printf("%s\n", name)
				}
			}
			if check && len(changed) > 0 {
				return exitError(exitFailed)
			}
			return nil
		}),
	}
	c.Flags().BoolVar(&check, "check", false, "change nothing; list the files that are not in canonical style and exit 1")
	return c
}

// format rewrites one file, or reports with check whether it would.
func (a *app) format(name string, check bool) (differs bool, err error) {
	if name == "-" {
		src, err := io.ReadAll(a.stdin)
		if err != nil {
			return false, fmt.Errorf("read stdin: %w", err)
		}
		out, err := configs.Format("stdin", src)
		if err != nil {
			return false, err
		}
		if !check {
			_, err = a.stdout.Write(out)
		}
		return !bytes.Equal(src, out), err
	}
	src, err := os.ReadFile(name)
	if err != nil {
		return false, hinted(fmt.Errorf("format: %w", err), "name the file: hookbridge fmt FILE; or start one: hookbridge init")
	}
	out, err := configs.Format(name, src)
	if err != nil {
		return false, err
	}
	if bytes.Equal(src, out) || check {
		return !bytes.Equal(src, out), nil
	}
	return true, replace(name, out)
}

// replace writes a file whole or not at all: a daemon that watches it must never read half of it.
func replace(name string, content []byte) error {
	real, err := filepath.EvalSymlinks(name)
	if err != nil {
		return fmt.Errorf("format %s: %w", name, err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return fmt.Errorf("format %s: %w", name, err)
	}
	f, err := os.CreateTemp(filepath.Dir(real), ".fmt-*")
	if err != nil {
		return fmt.Errorf("format %s: %w", name, err)
	}
	defer func() { _ = os.Remove(f.Name()) }() // gone already where the rename happened
	if _, err = f.Write(content); err == nil {
		err = f.Chmod(info.Mode().Perm())
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	if err == nil {
		err = os.Rename(f.Name(), real)
	}
	if err != nil {
		return fmt.Errorf("format %s: %w", name, err)
	}
	return nil
}
