package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// queues lists the netfilter queues that a program listens to, one a line (net/netfilter/nfnetlink_queue.c, seq_show).
const queues = "/proc/self/net/netfilter/nfnetlink_queue"

// served says why nobody listens to the queue of that number; nil where somebody does.
func served(table string, queue int) error {
	text, err := os.ReadFile(table)
	if err != nil {
		return fmt.Errorf("the kernel tells of no queues (is nfnetlink_queue loaded?): %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 0 && fields[0] == strconv.Itoa(queue) {
			return nil
		}
	}
	return fmt.Errorf("nobody listens to netfilter queue %d", queue)
}
