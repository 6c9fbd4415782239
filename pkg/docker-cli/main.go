// Command docker is Docker's command line, made of its own packages, but for what the node has no use for: plugins, which it has
// none of, and aliases. Docker's own main package asks for a later language than a module without go.mod can be compiled in.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/docker/cli/cli"
	"github.com/docker/cli/cli/command"
	"github.com/docker/cli/cli/command/commands"
	"github.com/docker/cli/cli/version"
	"github.com/spf13/cobra"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		if text := err.Error(); text != "" {
			fmt.Fprintln(os.Stderr, text)
		}
		os.Exit(exitCode(err))
	}
}

// run carries out one command.
func run(ctx context.Context, arguments []string) error {
	docker, err := command.NewDockerCli(command.WithBaseContext(ctx))
	if err != nil {
		return err
	}
	top := newCommand(docker)
	top.SetArgs(arguments)
	root, rest, err := top.HandleGlobalFlags()
	if err != nil {
		return err
	}
	if err := top.Initialize(); err != nil {
		return err
	}
	root.SetArgs(rest)
	return root.ExecuteContext(ctx)
}

func newCommand(docker *command.DockerCli) *cli.TopLevelCommand {
	root := &cobra.Command{
		Use: "docker [OPTIONS] COMMAND [ARG...]", Short: "A self-sufficient runtime for containers",
		SilenceUsage: true, SilenceErrors: true, TraverseChildren: true, DisableFlagsInUseLine: true,
		Version: fmt.Sprintf("%s, build %s", version.Version, version.GitCommit),
		RunE: func(root *cobra.Command, arguments []string) error {
			if len(arguments) == 0 {
				return root.Help()
			}
			return cli.StatusError{
				Status: fmt.Sprintf("docker: unknown command: docker %s\n\nRun 'docker --help' for more information", arguments[0]), StatusCode: 1,
			}
		},
	}
	root.SetIn(docker.In())
	root.SetOut(docker.Out())
	root.SetErr(docker.Err())
	options, _ := cli.SetupRootCommand(root)
	root.Flags().BoolP("version", "v", false, "Print version information and quit")
	commands.AddCommands(root, docker)
	return cli.NewTopLevelCommand(root, docker, options, root.Flags())
}

// exitCode is the one that the error asks for, as that of a program in a container, or 1.
func exitCode(err error) int {
	var status cli.StatusError
	if errors.As(err, &status) && status.StatusCode != 0 {
		return status.StatusCode
	}
	return 1
}
