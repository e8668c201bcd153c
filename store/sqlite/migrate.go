package sqlite

import (
	"embed"
	"fmt"
	"io/fs"
	"strings"

	"github.com/google/uuid"
)

// The migrations are applied in the order of their names, forward only, each with its number in one transaction.
//
//go:embed migrations/*.sql
var migrations embed.FS

func migrationNames() []string {
	names, err := fs.Glob(migrations, "migrations/*.sql")
	if err != nil { // the pattern is a constant
		return nil
	}
	return names
}

func migrate(c *conn) error {
	version, err := c.number("PRAGMA user_version")
	if err != nil {
		return err
	}
	names := migrationNames()
	if version > int64(len(names)) {
		return newerError(version)
	}
	for n := version; n < int64(len(names)); n++ {
		text, err := migrations.ReadFile(names[n])
		if err != nil {
			return err
		}
		var script strings.Builder
		fmt.Fprintf(&script, "BEGIN IMMEDIATE;\n%s\nPRAGMA user_version = %d;\n", text, n+1)
		if n == 0 {
			fmt.Fprintf(&script, "INSERT INTO meta VALUES ('id', '%s');\n", uuid.New())
		}
		script.WriteString("COMMIT;")
		if err := c.script(script.String()); err != nil {
			if !c.raw.AutoCommit() {
				_ = c.script("ROLLBACK")
			}
			return fmt.Errorf("migrate to version %d: %w", n+1, err)
		}
	}
	return nil
}

// currentVersion refuses a store that this program does not know how to read.
func currentVersion(c *conn) error {
	version, err := c.number("PRAGMA user_version")
	if err != nil {
		return err
	}
	switch ours := int64(len(migrationNames())); {
	case version > ours:
		return newerError(version)
	case version < ours:
		return fmt.Errorf("it has version %d and this program reads version %d; migrate it by starting: hookbridge run", version, ours)
	}
	return nil
}

func newerError(version int64) error {
	return fmt.Errorf("it has version %d and this program knows %d; use the newer hookbridge that wrote it", version, len(migrationNames()))
}
