package main

import (
	"os"
	"syscall"
	"testing"
	"time"
)

// startChild starts a program without waiting for it.
func startChild(t *testing.T) {
	t.Helper()
	process, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	if err := process.Release(); err != nil {
		t.Fatal(err)
	}
}

func TestReapTakesAllChildren(t *testing.T) {
	startChild(t)
	startChild(t)
	deadline := time.Now().Add(10 * time.Second)
	for count := 0; count < 2; {
		if time.Now().After(deadline) {
			t.Fatalf("%d children reaped", count)
		}
		count += reap()
		time.Sleep(time.Millisecond)
	}
	if _, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); err != syscall.ECHILD {
		t.Errorf("children are left: %v", err)
	}
}

func TestHoldEndsOnTerminate(t *testing.T) {
	signals := make(chan os.Signal, 3)
	ended := make(chan struct{})
	go func() { hold(signals); close(ended) }()
	signals <- syscall.SIGCHLD
	select {
	case <-ended:
		t.Fatal("ended on SIGCHLD")
	case <-time.After(50 * time.Millisecond):
	}
	signals <- syscall.SIGTERM
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatal("did not end on SIGTERM")
	}
}
