// Command log-forward sends every line of a node's logs over TCP, each as a JSON object in a line of its own:
//
//	{"time": "2026-01-02T03:04:05.678901234Z", "node": "master-1", "log": "kubelet", "text": "..."}
//
// time is when the line was seen. Where nobody takes them, lines wait in the logs themselves, which are bounded (8 MiB and what was
// before it, for each); what the receiver's kernel has not confirmed is sent again, so a line may come twice, and none is missing unless
// its log was written anew twice meanwhile, which is told by a line that has "lost" instead of "text".
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

const (
	exitMistake = 2
	exitFailure = 4
)

// options are the program's arguments.
type options struct {
	root string
}

// Where an address may stand, below the root; the node's own comes before its image's.
var addresses = []string{"run/config/logs/forward", "etc/logs/forward"}

func main() {
	var given options
	flag.StringVar(&given.root, "root", "/", "the node's `directory`")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	where, err := target(given.root)
	if err != nil {
		fmt.Fprintf(os.Stderr, "log-forward: %v\n", err)
		os.Exit(exitMistake)
	}
	node, err := os.Hostname()
	if err != nil {
		fmt.Fprintf(os.Stderr, "log-forward: %v\n", err)
		os.Exit(exitFailure)
	}
	logs := newLogs(filepath.Join(given.root, "var/log"), filepath.Join(given.root, "var/lib/log-forward"))
	(&sender{to: where, node: node, logs: logs, told: os.Stderr, first: firstWait, most: maxWait, settling: settling}).run(ctx)
}

// target reads the address, tcp://HOST:PORT, and gives HOST:PORT.
func target(root string) (string, error) {
	for _, name := range addresses {
		text, err := os.ReadFile(filepath.Join(root, name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		where, err := url.Parse(strings.TrimSpace(string(text)))
		if err != nil || where.Scheme != "tcp" || where.Hostname() == "" || where.Port() == "" || where.Path != "" {
			return "", fmt.Errorf("/%s: %q is no address such as tcp://192.0.2.5:5170", name, strings.TrimSpace(string(text)))
		}
		return net.JoinHostPort(where.Hostname(), where.Port()), nil
	}
	return "", fmt.Errorf("there is no address in any of %v", addresses)
}
