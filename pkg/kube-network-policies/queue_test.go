package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const listening = "   98  31242     0 2   128     0     0        7  1\n 1200    411     0 2   128     0     0        0  1\n"

func table(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "nfnetlink_queue")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestAQueueIsServedWhenItStandsInTheTable(t *testing.T) {
	for queue, want := range map[int]bool{98: true, 1200: true, 9: false, 120: false, 31242: false} {
		if err := served(table(t, listening), queue); (err == nil) != want {
			t.Errorf("queue %d: %v", queue, err)
		}
	}
}

func TestNoQueueIsServedWhereTheKernelHasNone(t *testing.T) {
	if err := served(table(t, ""), 98); err == nil || !strings.Contains(err.Error(), "98") {
		t.Errorf("an empty table: %v", err)
	}
	if err := served(filepath.Join(t.TempDir(), "missing"), 98); err == nil || !strings.Contains(err.Error(), "nfnetlink_queue loaded") {
		t.Errorf("no table: %v", err)
	}
}

func TestWithoutItsNodesNameItDoesNotStart(t *testing.T) {
	for _, given := range []struct {
		node  string
		queue int
	}{{"", 98}, {"node-1", 0}, {"node-1", 70000}} {
		err := run(context.Background(), given.node, given.queue, "127.0.0.1:0")
		if err == nil || !strings.Contains(err.Error(), "-node has to name") {
			t.Errorf("%v: %v", given, err)
		}
	}
}

// The library fails at the first packet from no pod where NRI is turned off.
func TestTheSettingsLeaveTheLibrarysMapOfAddresses(t *testing.T) {
	got := settings("node-1", 98)
	if got.NRIdisabled || got.FailOpen || got.NodeName != "node-1" || got.QueueID != 98 {
		t.Errorf("settings %+v", got)
	}
}
