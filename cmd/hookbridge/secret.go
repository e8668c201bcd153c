package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/hookbridge/bridge/signature"
)

func secretCommand(a *app) *cobra.Command {
	group := &cobra.Command{
		Use:   "secret",
		Short: "Make secrets to sign with",
		Args:  cobra.ArbitraryArgs,
		RunE:  helpOrUnknown,
	}
	var pair bool
	fresh := &cobra.Command{
		Use:   "new",
		Short: "Print a new secret",
		Long: `Print a new secret for a destination: whsec_… signs and verifies; with --ed25519 a pair of which the
private half (whsk_…) signs here and the public half (whpk_…) verifies there.
It is stored nowhere: keep it where the configuration finds it, as in secrets = [env("WAREHOUSE_SECRET")].
--json: {secret}, or with --ed25519 {private, public}.`,
		Args: between(0, 0, ""),
		RunE: action(func(context.Context, []string) error {
			if pair {
				private, public, err := signature.NewPair()
				if err != nil {
					return err
				}
				if a.json {
					return a.document(map[string]string{"private": private.Reveal(), "public": public})
				}
				a.printf("%s\n%s\n", private.Reveal(), public)
				return nil
			}
			secret := signature.NewSecret()
			if a.json {
				return a.document(map[string]string{"secret": secret.Reveal()})
			}
			a.printf("%s\n", secret.Reveal())
			return nil
		}),
	}
	fresh.Flags().BoolVar(&pair, "ed25519", false, "an asymmetric pair: first the private half, then the public one")
	group.AddCommand(fresh)
	return group
}
