package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// receiver takes lines at an address, until it is ended without a word.
type receiver struct {
	listener net.Listener
	mu       sync.Mutex
	got      []message
	open     []net.Conn
}

func listen(t *testing.T, address string) *receiver {
	t.Helper()
	listener, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	made := &receiver{listener: listener}
	t.Cleanup(made.end)
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			made.mu.Lock()
			made.open = append(made.open, connection)
			made.mu.Unlock()
			go made.read(connection)
		}
	}()
	return made
}

func (r *receiver) read(from net.Conn) {
	for lines := bufio.NewScanner(from); lines.Scan(); {
		var one message
		if json.Unmarshal(lines.Bytes(), &one) == nil {
			r.mu.Lock()
			r.got = append(r.got, one)
			r.mu.Unlock()
		}
	}
}

func (r *receiver) end() {
	_ = r.listener.Close()
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, each := range r.open {
		_ = each.Close()
	}
}

func (r *receiver) texts() map[string]int {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := map[string]int{}
	for _, each := range r.got {
		found[each.Text]++
	}
	return found
}

func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !is(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal(what)
		}
	}
}

// under runs a sender for as long as the test; it gives a function that ends it before.
func under(t *testing.T, n *node, to string, told *bytes.Buffer) (end func()) {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	one := &sender{to: to, node: "n-1", logs: n.inUse, told: told, first: 50 * time.Millisecond, most: 200 * time.Millisecond, settling: 500 * time.Millisecond}
	go func() { one.run(ctx); close(done) }()
	end = func() { stop(); <-done }
	t.Cleanup(end)
	return end
}

func TestNothingIsMissingAfterTheReceiverWasAway(t *testing.T) {
	n := newNode(t)
	first := listen(t, "127.0.0.1:0")
	address := first.listener.Addr().String()
	var told bytes.Buffer
	end := under(t, n, address, &told)
	for number := range 2000 {
		n.write("a.log", fmt.Sprintf("line %d\n", number))
	}
	eventually(t, "the first lines come", func() bool { return len(first.texts()) > 10 })
	first.end()
	for number := 2000; number < 4000; number++ {
		n.write("a.log", fmt.Sprintf("line %d\n", number))
	}
	time.Sleep(500 * time.Millisecond)
	second := listen(t, address)
	eventually(t, "the rest comes", func() bool { return second.texts()["line 3999"] > 0 })
	all := first.texts()
	for text := range second.texts() {
		all[text]++
	}
	for number := range 4000 {
		if all[fmt.Sprintf("line %d", number)] == 0 {
			t.Errorf("line %d is missing", number)
		}
	}
	end()
	if said := told.String(); strings.Count(said, "lines wait") > 3 || !strings.Contains(said, "connected") {
		t.Errorf("it says %q", said)
	}
}

func TestALineSaysWhereItIsFrom(t *testing.T) {
	n := newNode(t)
	n.write("kubelet.log", "it \"works\"\n")
	to := listen(t, "127.0.0.1:0")
	under(t, n, to.listener.Addr().String(), &bytes.Buffer{})
	eventually(t, "the line comes", func() bool { return len(to.texts()) == 1 })
	got := to.got[0]
	if _, err := time.Parse(time.RFC3339Nano, got.Time); err != nil || got.Node != "n-1" || got.Log != "kubelet" || got.Text != `it "works"` {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestAnotherProcessGoesOnWhereTheLinesArrived(t *testing.T) {
	n := newNode(t)
	n.write("a.log", "old\n")
	to := listen(t, "127.0.0.1:0")
	end := under(t, n, to.listener.Addr().String(), &bytes.Buffer{})
	eventually(t, "it is kept", func() bool {
		text, _ := os.ReadFile(filepath.Join(n.root, "state", positionsFile))
		return bytes.Contains(text, []byte(`"offset":4`))
	})
	end()
	n.write("a.log", "new\n")
	n.inUse = newLogs(n.root, filepath.Join(n.root, "state"))
	under(t, n, to.listener.Addr().String(), &bytes.Buffer{})
	eventually(t, "the new line comes", func() bool { return to.texts()["new"] == 1 })
	if to.texts()["old"] != 1 {
		t.Error("the old line came twice")
	}
}

func TestAReceiverThatReadsNothingHoldsNoMemory(t *testing.T) {
	n := newNode(t)
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	n.write("a.log", strings.Repeat(strings.Repeat("x", 1000)+"\n", 40_000))
	under(t, n, silent.Addr().String(), &bytes.Buffer{})
	time.Sleep(2 * time.Second)
	if at := n.inUse.read["a.log"].Offset; at > 40_000*1001/2 { // what two kernels keep, and the window
		t.Errorf("%d bytes were read", at)
	}
}

func TestWhereTheLinesGo(t *testing.T) {
	for _, test := range []struct{ own, image, want string }{
		{"", "tcp://192.0.2.5:5170\n", "192.0.2.5:5170"},
		{"tcp://[2001:db8::1]:1", "tcp://192.0.2.5:5170", "[2001:db8::1]:1"},
		{"", "", "no address in any"},
		{"udp://192.0.2.5:5170", "", "is no address such as"},
		{"tcp://192.0.2.5", "", "is no address such as"},
		{"tcp://:5", "", "is no address such as"},
		{"tcp://h:5/x", "", "is no address such as"},
	} {
		root := t.TempDir()
		for i, text := range []string{test.own, test.image} {
			path := filepath.Join(root, addresses[i])
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if text != "" && os.WriteFile(path, []byte(text), 0o600) != nil {
				t.Fatal(path)
			}
		}
		got, err := target(root)
		if err != nil {
			got = err.Error()
		}
		if !strings.Contains(got, test.want) {
			t.Errorf("%+v: got %q", test, got)
		}
	}
}
