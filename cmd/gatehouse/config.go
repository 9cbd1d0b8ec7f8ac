package main

import (
	"errors"
	"fmt"
	"strings"

	"buf.build/go/protoyaml"
	"github.com/spf13/cobra"

	"github.com/gatehouse-gateway/gatehouse/gateway/config"
)

func newConfig() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Check a configuration file, or print the defaults",
		Args:  cobra.NoArgs,
	}
	cmd.AddCommand(
		&cobra.Command{
			Use:   "check FILE",
			Short: "Say what is wrong with a configuration file, and where",
			Long: `Read a configuration file as "gatehouse serve --config FILE" would, with the certificates, keys and
schemas that it names, but without flags and GATEHOUSE_ variables, and start nothing.

Prints "FILE: ok", or one line for each thing that is wrong, "FILE:LINE:COL: message", and then exits with 1.`,
			Args: oneArg("the configuration file"),
			RunE: func(cmd *cobra.Command, args []string) error { return checkConfig(cmd, args[0]) },
		},
		&cobra.Command{
			Use:   "defaults",
			Short: "Print the defaults as a configuration file",
			Long: `Print, as a configuration file, what the gateway does when nothing is set. docs/configuration.md
says what each setting means.`,
			Args: cobra.NoArgs,
			RunE: func(cmd *cobra.Command, _ []string) error { return printDefaults(cmd) },
		},
	)
	return cmd
}

func checkConfig(cmd *cobra.Command, file string) error {
	_, err := config.Load(file)
	var wrong *config.Error
	if errors.As(err, &wrong) {
		fmt.Fprintln(cmd.OutOrStdout(), wrong)
		if len(wrong.Problems) == 1 {
			return fmt.Errorf("%s: one problem", file)
		}
		return fmt.Errorf("%s: %d problems", file, len(wrong.Problems))
	}
	if err == nil {
		fmt.Fprintf(cmd.OutOrStdout(), "%s: ok\n", file)
	}
	return err
}

func printDefaults(cmd *cobra.Command) error {
	yaml, err := protoyaml.MarshalOptions{UseProtoNames: true, EmitUnpopulated: true, Indent: 2}.Marshal(config.Defaults())
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(yaml)) {
		// A group that is not there by default: written out, null would be an error.
		if !strings.HasSuffix(line, ": null\n") {
			fmt.Fprint(cmd.OutOrStdout(), line)
		}
	}
	return nil
}
