package main

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
)

func newKeys() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "Make keys for callers and for the admin listener",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(newCallerKey(), newAdminKey())
	return cmd
}

func newCallerKey() *cobra.Command {
	var principal string
	var scopes []string
	cmd := &cobra.Command{
		Use:   "new ID",
		Short: "Make an API key, and print what goes into the configuration",
		Long: `Make a random API key with the public part ID. The key, which the caller sends as x-api-key or as Authorization:
Bearer, goes to standard error, this once; the lines for the gateway's configuration, which hold only its SHA-256,
go to standard output.`,
		Example: `  gatehouse keys new acme-web --scopes orders,library.write`,
		Args:    oneArg("the key's id"),
	}
	cmd.Flags().StringVar(&principal, "principal", "", "who the caller is (default: the id)")
	cmd.Flags().StringSliceVar(&scopes, "scopes", nil, "what the key allows")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if principal == "" {
			principal = args[0]
		}
		return printKey(cmd.OutOrStdout(), cmd.ErrOrStderr(), args[0], principal, scopes)
	}
	return cmd
}

// keyID is what the configuration takes as an id.
var keyID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,64}$`)

// printKey writes the configuration to out and the key to secret, so that a file which takes the one does not keep the other.
func printKey(out, secret io.Writer, id, principal string, scopes []string) error {
	if !keyID.MatchString(id) {
		return fmt.Errorf("%q cannot be a key's id; use up to 64 letters, digits, hyphens and underscores", id)
	}
	k := newKey(id, scopes...)
	if _, err := fmt.Fprintf(secret, "The caller sends: x-api-key: %s\n", k); err != nil {
		return err
	}
	fmt.Fprintf(out, "authn:\n  api_keys:\n    - id: %s\n      secret_sha256: %s\n      principal: %q\n", id, k.sum(), principal)
	if len(scopes) > 0 {
		fmt.Fprintf(out, "      scopes: [%s]\n", strings.Join(quoted(scopes), ", "))
	}
	return nil
}

func quoted(list []string) []string {
	out := make([]string, len(list))
	for i, s := range list {
		out[i] = fmt.Sprintf("%q", s)
	}
	return out
}

func newAdminKey() *cobra.Command {
	return &cobra.Command{
		Use:   "admin",
		Short: "Make a key for the admin listener, and print what goes into the configuration",
		Long: `Make a random key for the admin listener. The key, which the verbs that talk to a gateway take from
` + adminKeyEnv + ` or --admin-key-file, goes to standard error, this once; the lines for the gateway's
configuration, which hold only its SHA-256, go to standard output.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			k := newKey("")
			if _, err := fmt.Fprintf(cmd.ErrOrStderr(), "%s=%s\n", adminKeyEnv, k.secret); err != nil {
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "admin:\n  key_sha256: %s\n", k.sum())
			return err
		},
	}
}

// key is an API key.
type key struct {
	id, secret string
	scopes     []string
}

// newKey makes a key with a random secret.
func newKey(id string, scopes ...string) key {
	return key{id: id, secret: strings.ToLower(rand.Text()), scopes: scopes}
}

// String returns the key as callers send it.
func (k key) String() string { return k.id + "." + k.secret }

// sum returns what the configuration holds of the secret.
func (k key) sum() string {
	sum := sha256.Sum256([]byte(k.secret))
	return hex.EncodeToString(sum[:])
}
