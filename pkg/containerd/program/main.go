// One program that is containerd and ctr, by the name under which it is called. The shim is one of its own: each pod has a process of
// it, whose memory is to stay small.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/containerd/containerd/v2/cmd/containerd/command"
	"github.com/containerd/containerd/v2/cmd/ctr/app"
	"github.com/urfave/cli/v2"

	_ "github.com/containerd/containerd/v2/cmd/containerd/builtins"
)

// programs are the main functions of containerd's cmd, each of which is a few lines.
var programs = map[string]func() *cli.App{"containerd": command.App, "ctr": app.New}

func main() {
	name := filepath.Base(os.Args[0])
	program, known := programs[name]
	if !known {
		fmt.Fprintf(os.Stderr, "%s: call this program by one of its names: containerd, ctr\n", name)
		os.Exit(2)
	}
	if err := program().Run(os.Args); err != nil {
		fmt.Fprintf(os.Stderr, "%s: %s\n", name, err)
		os.Exit(1)
	}
}
