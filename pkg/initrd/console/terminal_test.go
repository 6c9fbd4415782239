package console

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// session runs a command as the leader of a session on the terminal, as getty is one; its end hangs the terminal up.
func session(t *testing.T, path string, argv ...string) {
	t.Helper()
	terminal, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	command := exec.Command(argv[0], argv[1:]...)
	command.Stdin, command.Stdout = terminal, terminal
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := command.Run(); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsToldAfterASessionsEndIsShown(t *testing.T) {
	seen, path := newPty(t)
	out := on(t, path)
	out.Printf("before")
	text := readUntil(t, seen, "before")
	session(t, path, "sh", "-c", "echo within")
	out.Printf("after")
	text += readUntil(t, seen, "after")
	out.Drain()
	for _, want := range []string{"before", "after"} {
		if !strings.Contains(text, want) {
			t.Errorf("%s is not shown: %q", want, text)
		}
	}
}

func TestATerminalThatIsGoneHoldsNobodyUp(t *testing.T) {
	seen, path := newPty(t)
	terminal, err := OpenTerminal(path)
	if err != nil {
		t.Fatal(err)
	}
	_ = seen.Close()
	if _, err := terminal.Write([]byte("text")); err == nil {
		t.Error("a terminal that is gone took a text")
	}
}
