// Command certificates keeps the certificates of a node's Kubernetes from ending. Those that kubeadm made on a master end after a
// year; this program makes each anew, by the authority that lies beside it, once a third of its life is left: before the kubelet
// starts, so that a node that lay switched off comes back with no one's help, and about every hour while the node runs, after which
// the static pods that know the old ones are started anew, one at a time.
//
// It signs itself, and does not call `kubeadm certs renew`: that one writes in place, so that a power cut leaves a key without its
// certificate, asks the API server for its configuration, and refuses all the rest where one file is damaged.
//
//	certificates renew             what has to be done before the kubelet starts
//	certificates renew -restart    the same on a node that runs
//	certificates watch             that again and again; and what kubelets of the cluster ask for their ports is approved
//	certificates name              the node's name in its cluster, by the kubelet's certificate; nothing where it has none
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"time"
)

// Exit codes, as of the rest of kubeiso: 2 is a mistake of the user, 4 a failure.
const (
	exitMistake = 2
	exitFailure = 4
)

const (
	// first is how long a node that comes up has for other things.
	first = 5 * time.Minute
	// pause is between two looks, on the average: short enough for certificates of days, and for a clock that was set meanwhile.
	// Each is another, so that masters which started together don't restart their parts together.
	pause = time.Hour
)

var errUsage = errors.New("usage: certificates renew [-restart] | certificates name | certificates watch")

func main() {
	err := run(os.Args[1:])
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "certificates: %v\n", err)
	if errors.Is(err, errUsage) {
		os.Exit(exitMistake)
	}
	os.Exit(exitFailure)
}

func run(words []string) error {
	on := node{root: "/", now: time.Now, log: os.Stderr}
	if len(words) == 0 {
		return errUsage
	}
	flags := flag.NewFlagSet(words[0], flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	restart := flags.Bool("restart", false, "start anew what knows the old certificates")
	if err := flags.Parse(words[1:]); err != nil || flags.NArg() > 0 {
		return errUsage
	}
	switch words[0] {
	case "renew":
		return on.keep(*restart)
	case "name":
		_, err := fmt.Println(on.kubeletName())
		return err
	case "watch":
		go on.serve()
		return watch(on)
	}
	return errUsage
}

func watch(on node) error {
	time.Sleep(first)
	for {
		if err := on.keep(true); err != nil {
			fmt.Fprintf(on.log, "certificates: %v\n", err)
		}
		time.Sleep(pause/2 + rand.N(pause))
	}
}
