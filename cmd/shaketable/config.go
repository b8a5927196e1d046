package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"shaketable/config"
)

func newConfigCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "config",
		Short: "Print configurations",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usageError{fmt.Errorf("unknown command %q", "config "+args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	var file string
	show := &cobra.Command{
		Use:   "print",
		Short: "Print what a file, the environment and the defaults amount to; secrets are named, not shown",
		Args:  noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := config.Load(file, os.LookupEnv)
			if err != nil {
				return configError{err}
			}
			return printConfig(cmd, c)
		},
	}
	show.Flags().StringVar(&file, "config", defaultConfigFile, "configuration file")
	defaults := &cobra.Command{
		Use:   "defaults",
		Short: "Print the defaults",
		Args:  noArguments,
		RunE:  func(cmd *cobra.Command, _ []string) error { return printConfig(cmd, config.Default()) },
	}
	cmd.AddCommand(show, defaults)
	return cmd
}

func printConfig(cmd *cobra.Command, c config.Config) error {
	text, err := c.YAML()
	if err != nil {
		return fmt.Errorf("print the configuration: %w", err)
	}
	_, err = cmd.OutOrStdout().Write(text)
	return err
}
