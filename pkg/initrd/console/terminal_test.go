package console

import (
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// hangsUp tells a process of this program to do so with its terminal, and to end.
const hangsUp = "KUBEISO_TEST_HANGS_UP"

func TestMain(m *testing.M) {
	if os.Getenv(hangsUp) != "" {
		signal.Ignore(syscall.SIGHUP)
		if _, _, errno := unix.Syscall(unix.SYS_VHANGUP, 0, 0, 0); errno != 0 {
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// session has a session on the terminal and hangs the terminal up, as the end of one does on a serial line.
func session(t *testing.T, path string) {
	t.Helper()
	terminal, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer terminal.Close()
	command := exec.Command("/proc/self/exe")
	command.Env, command.Stdin = []string{hangsUp + "=1"}, terminal
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := command.Run(); err != nil {
		t.Skipf("no terminal can be hung up here (vhangup(2) is for root): %v", err)
	}
}

func TestWhatIsToldAfterASessionsEndIsShown(t *testing.T) {
	seen, path := newPty(t)
	out := on(t, path)
	out.Printf("before")
	text := readUntil(t, seen, "before")
	session(t, path)
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
