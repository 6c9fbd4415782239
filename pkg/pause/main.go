// Command pause is the first process of a pod's sandbox: it holds the namespaces that the pod's containers share, and reaps
// processes that lost their parent where those share the process namespace too. SIGTERM or SIGINT ends it.
package main

import (
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// version is the answer to "pause -v".
const version = "0.1.0"

func main() {
	if len(os.Args) == 2 && os.Args[1] == "-v" {
		fmt.Println("pause", version)
		return
	}
	if os.Getpid() != 1 {
		fmt.Fprintln(os.Stderr, "pause: should be the first process of its process namespace")
	}
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGCHLD, syscall.SIGTERM, syscall.SIGINT)
	hold(signals)
}

// hold reaps until a signal asks it to end.
func hold(signals <-chan os.Signal) {
	reap()
	for received := range signals {
		if received != syscall.SIGCHLD {
			return
		}
		reap()
	}
}

// reap takes the status of every child that has ended. One signal may stand for several of them. It gives their number.
func reap() int {
	for count := 0; ; {
		pid, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
		switch {
		case err == syscall.EINTR:
		case err != nil || pid == 0:
			return count
		default:
			count++
		}
	}
}
