package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// node is a folder of logs and one of state.
type node struct {
	t     *testing.T
	root  string
	inUse *logs
}

func newNode(t *testing.T) *node {
	t.Helper()
	root := t.TempDir()
	return &node{t, root, newLogs(root, filepath.Join(root, "state"))}
}

func (n *node) write(name, text string) {
	n.t.Helper()
	file, err := os.OpenFile(filepath.Join(n.root, name), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Fatal(err)
	}
	defer file.Close()
	if _, err := file.WriteString(text); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) anew(name string) {
	n.t.Helper()
	path := filepath.Join(n.root, name)
	if err := os.Rename(path, path+".1"); err != nil {
		n.t.Fatal(err)
	}
}

func (n *node) next() (texts []string) {
	for _, each := range n.inUse.next() {
		texts = append(texts, each.log+":"+each.text+each.lost)
	}
	return texts
}

func (n *node) expect(want ...string) {
	n.t.Helper()
	if got := n.next(); !slices.Equal(got, want) {
		n.t.Errorf("got %q, want %q", got, want)
	}
}

func TestWholeLinesOfAllLogsAreRead(t *testing.T) {
	n := newNode(t)
	n.write("kubelet.log", "one\ntw")
	n.write("messages", "m\r\n")
	n.write("pods.txt", "no log\n")
	n.expect("kubelet:one", "messages:m")
	n.expect()
	n.write("kubelet.log", "o\n\n")
	n.expect("kubelet:two", "kubelet:")
}

func TestALogThatIsBegunAnewLosesNothing(t *testing.T) {
	n := newNode(t)
	n.write("a.log", "one\n")
	n.expect("a:one")
	n.write("a.log", "two\nthree, cut sho")
	n.anew("a.log")
	n.write("a.log", "four\n")
	n.expect("a:two", "a:three, cut sho")
	n.expect("a:four")
	n.anew("a.log")
	n.expect() // there is no log of that name for a moment
	n.write("a.log", "five\n")
	n.expect("a:five")
}

func TestWhatIsLostIsTold(t *testing.T) {
	n := newNode(t)
	n.write("a.log", "one\n")
	n.expect("a:one")
	for range 2 {
		n.write("a.log", "unseen\n")
		n.anew("a.log")
	}
	n.write("a.log", "last\n")
	n.expect("a:the log was begun anew twice before its lines could be sent", "a:last")
}

func TestALogThatIsCutIsReadFromItsBeginning(t *testing.T) {
	n := newNode(t)
	n.write("a.log", "a long line\n")
	n.expect("a:a long line")
	if err := os.Truncate(filepath.Join(n.root, "a.log"), 0); err != nil {
		t.Fatal(err)
	}
	n.write("a.log", "short\n")
	n.expect("a:short")
}

func TestALineWithoutAnEndIsSentInParts(t *testing.T) {
	n := newNode(t)
	n.write("a.log", strings.Repeat("x", 2*longest+5))
	got := n.next()
	if len(got) != 2 || len(got[0]) != longest+len("a:") {
		t.Fatalf("%d parts", len(got))
	}
	n.write("a.log", "\n")
	n.expect("a:xxxxx")
}

func TestALargeLogIsReadInBatches(t *testing.T) {
	n := newNode(t)
	var text strings.Builder
	for number := range 100_000 {
		fmt.Fprintf(&text, "line %d\n", number)
	}
	n.write("a.log", text.String())
	count := 0
	for {
		got := n.next()
		if len(got) == 0 {
			break
		}
		for _, each := range got {
			if each != fmt.Sprintf("a:line %d", count) {
				t.Fatalf("line %d is %q", count, each)
			}
			count++
		}
	}
	if count != 100_000 {
		t.Errorf("%d lines", count)
	}
}

func TestWhatHasArrivedIsKeptAndNothingElse(t *testing.T) {
	n := newNode(t)
	n.write("a.log", "one\ntwo\n")
	n.write("gone.log", "x\n")
	for _, each := range n.inUse.next() {
		if each.text != "two" {
			n.inUse.arrived(each.path, each.after)
		}
	}
	if err := os.Remove(filepath.Join(n.root, "gone.log")); err != nil {
		t.Fatal(err)
	}
	if err := n.inUse.save(); err != nil {
		t.Fatal(err)
	}
	n.inUse = newLogs(n.root, filepath.Join(n.root, "state"))
	n.expect("a:two")
	if _, there := n.inUse.sent["gone.log"]; there {
		t.Error("a log that is gone is remembered")
	}
	n.write("state/positions.json", "torn")
	n.inUse = newLogs(n.root, filepath.Join(n.root, "state"))
	n.expect("a:one", "a:two")
}
