package main

import (
	"context"
	"errors"

	"github.com/hashicorp/hcl/v2"
	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge/configs"
	"github.com/hookbridge/bridge/daemon"
	"github.com/hookbridge/bridge/sources"
)

// validation is what validate --json prints.
type validation struct {
	Valid        bool         `json:"valid"`
	Config       string       `json:"config"`
	Jobs         int          `json:"jobs"`
	Destinations int          `json:"destinations"`
	Diagnostics  []diagnostic `json:"diagnostics"`
}

type diagnostic struct {
	Severity string `json:"severity"` // error or warning
	Summary  string `json:"summary"`
	Detail   string `json:"detail,omitempty"`
	File     string `json:"file,omitempty"`
	Line     int    `json:"line,omitempty"`   // from 1
	Column   int    `json:"column,omitempty"` // from 1
}

func validateCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "validate",
		Short: "Check the configuration and print every mistake",
		Long: `Check the configuration without touching any system: syntax, names, types, references, schedules, secrets.
Every mistake is printed with its line; exit code 1 where there is one, warnings alone give 0.
--json: {valid, config, jobs, destinations, diagnostics[] {severity, summary, detail, file, line, column}}.`,
		Args: between(0, 0, ""),
		RunE: action(func(context.Context, []string) error {
			config, err := a.load()
			var broken *configs.Error
			if err != nil && !errors.As(err, &broken) {
				return err
			}
			if a.json {
				return a.validationJSON(config, broken)
			}
			if broken != nil {
				return broken
			}
			config.Warnings.Render(a.stderr, a.err.width(), a.err.on)
			a.printf("%s is valid: %s, %s\n", a.config, count(len(config.Jobs), "job"), count(len(config.Destinations), "destination"))
			return nil
		}),
	}
}

// load reads the configuration the way the daemon does.
func (a *app) load() (*configs.Config, error) {
	table := sources.New(sources.Runtime{Logger: a.logger(silent)})
	return configs.Load(a.config, configs.Options{Vars: a.vars, Environ: a.lookup, Sources: table, Rules: daemon.Rules()})
}

func (a *app) validationJSON(config *configs.Config, broken *configs.Error) error {
	v := validation{Valid: broken == nil, Config: a.config, Diagnostics: []diagnostic{}}
	var found hcl.Diagnostics
	if broken != nil {
		found = broken.Diagnostics
	} else {
		v.Jobs, v.Destinations = len(config.Jobs), len(config.Destinations)
		found = config.Warnings.Diagnostics
	}
	for _, d := range found {
		v.Diagnostics = append(v.Diagnostics, plainDiagnostic(d))
	}
	if err := a.document(v); err != nil {
		return err
	}
	if !v.Valid {
		return exitError(exitFailed)
	}
	return nil
}

func plainDiagnostic(d *hcl.Diagnostic) diagnostic {
	p := diagnostic{Severity: "error", Summary: d.Summary, Detail: d.Detail}
	if d.Severity == hcl.DiagWarning {
		p.Severity = "warning"
	}
	if d.Subject != nil {
		p.File, p.Line, p.Column = d.Subject.Filename, d.Subject.Start.Line, d.Subject.Start.Column
	}
	return p
}
