package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge"
	"github.com/hookbridge/bridge/daemon"
)

func backupCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "backup FILE",
		Short: "Write a consistent copy of the store, while it is in use",
		Long: `Write a consistent copy of the store to a new file, beside a running daemon or without one. The copy is one file that only
its owner can read. To restore it: stop the daemon, put the copy in place of the store, remove the -wal and -shm files
beside it, start. The daemon sees that it is a copy, compares every job with its whole source, and tells what changed
since the copy was made.
--json: {file, bytes}.`,
		Example: `  hookbridge backup /var/backups/bridge.db`,
		Args:    between(1, 1, "the file to write"),
		RunE: action(func(ctx context.Context, args []string) error {
			p := a.progress()
			bytes, err := daemon.Backup(ctx, a.options(silent), args[0], func(left, pages int) {
				p.show("copied %d %% …", 100*(pages-left)/max(pages, 1))
			})
			p.clear()
			if errors.Is(err, bridge.ErrNotFound) {
				return hinted(errors.New("there is nothing to copy yet"), "a store is begun by: hookbridge run")
			}
			if err != nil {
				return err
			}
			if a.json {
				return a.document(struct {
					File  string `json:"file"`
					Bytes int64  `json:"bytes"`
				}{args[0], bytes})
			}
			a.printf("%s: %s\n", args[0], size(bytes))
			return nil
		}),
	}
}
