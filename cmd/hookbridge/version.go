package main

import (
	"runtime"
	"runtime/debug"
	"strings"

	"github.com/mattn/go-sqlite3"
	"github.com/spf13/cobra"
)

// release is the version of the module, without its leading v; "devel" where the build does not say.
func release() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" || info.Main.Version == "(devel)" {
		return "devel"
	}
	return strings.TrimPrefix(info.Main.Version, "v")
}

type versionReport struct {
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"`
	Modified bool   `json:"modified,omitempty"` // built from a tree with uncommitted changes
	Go       string `json:"go"`
	SQLite   string `json:"sqlite"`
	Platform string `json:"platform"`
}

func versionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Print the versions of hookbridge, Go and SQLite",
		Long:  "Print the versions of hookbridge, Go and SQLite.\n--json: {version, revision, modified, go, sqlite, platform}.",
		Args:  between(0, 0, ""),
		RunE: func(*cobra.Command, []string) error {
			sqlite, _, _ := sqlite3.Version()
			v := versionReport{Version: release(), Go: runtime.Version(), SQLite: sqlite, Platform: runtime.GOOS + "/" + runtime.GOARCH}
			if info, ok := debug.ReadBuildInfo(); ok {
				for _, s := range info.Settings {
					switch s.Key {
					case "vcs.revision":
						v.Revision = s.Value
					case "vcs.modified":
						v.Modified = s.Value == "true"
					}
				}
			}
			if a.json {
				return a.document(v)
			}
			a.printf("hookbridge %s (%s)\n", v.Version, v.Platform)
			if v.Revision != "" {
				note := ""
				if v.Modified {
					note = ", with uncommitted changes"
				}
				a.printf("revision   %s%s\n", v.Revision, note)
			}
			a.printf("go         %s\nsqlite     %s\n", strings.TrimPrefix(v.Go, "go"), v.SQLite)
			return nil
		},
	}
}
