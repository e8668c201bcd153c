package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge/configs"
)

func completionCommand(a *app) *cobra.Command {
	return &cobra.Command{
		Use:       "completion bash|zsh|fish|powershell",
		Short:     "Print a completion script for a shell",
		Long:      "Print a completion script for a shell. It knows commands, flags, and the names of jobs and destinations.",
		Example:   "  source <(hookbridge completion bash)\n  hookbridge completion zsh > \"${fpath[1]}/_hookbridge\"",
		ValidArgs: []string{"bash", "zsh", "fish", "powershell"},
		Args:      between(1, 1, "the name of a shell: bash, zsh, fish or powershell"),
		RunE: func(cmd *cobra.Command, args []string) error {
			root := cmd.Root()
			switch args[0] {
			case "bash":
				return root.GenBashCompletionV2(a.stdout, true)
			case "zsh":
				return root.GenZshCompletion(a.stdout)
			case "fish":
				return root.GenFishCompletion(a.stdout, true)
			case "powershell":
				return root.GenPowerShellCompletionWithDesc(a.stdout)
			}
			return wrongCall(cmd, "shell %q is not known; choose bash, zsh, fish or powershell", args[0])
		},
	}
}

type completer = func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective)

// names completes from the configuration; without one there is nothing to offer.
func (a *app) names(of func(*configs.Config) []string) completer {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if a.readGlobals(cmd) != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		config, err := a.load()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var fit []string
		for _, name := range of(config) {
			if strings.HasPrefix(name, begun) {
				fit = append(fit, name)
			}
		}
		return fit, cobra.ShellCompDirectiveNoFileComp
	}
}

// first completes the first argument only.
func first(complete completer) completer {
	return func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, begun)
	}
}

// completeFlags completes the flags of c that name a job or a destination.
func (a *app) completeFlags(c *cobra.Command) {
	for flag, of := range map[string]func(*configs.Config) []string{"job": jobNames, "destination": destinationNames} {
		if c.Flags().Lookup(flag) != nil {
			_ = c.RegisterFlagCompletionFunc(flag, a.names(of)) // fails only for a flag that is not there, or twice
		}
	}
}

func jobNames(config *configs.Config) []string {
	var names []string
	for _, job := range config.Jobs {
		names = append(names, job.Name)
	}
	return names
}

func destinationNames(config *configs.Config) []string {
	var names []string
	for _, destination := range config.Destinations {
		names = append(names, destination.Name)
	}
	return names
}

func receiverNames(config *configs.Config) []string {
	var names []string
	for _, receiver := range config.Receivers {
		names = append(names, receiver.Name)
	}
	return names
}

func targetNames(config *configs.Config) []string {
	return append(jobNames(config), destinationNames(config)...)
}
