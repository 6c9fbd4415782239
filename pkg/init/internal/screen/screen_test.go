package screen

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"kubeiso.dev/pkg/init/internal/paper"
	"kubeiso.dev/pkg/initrd/console"
)

// shown is the page as text, by a story of lines.
func shown(given page, lines ...console.Line) string {
	heard := newStory()
	for _, each := range lines {
		heard.take(each)
	}
	given.told = heard.told()
	return textOf(given.rows(80, 25))
}

func textOf(rows []row) string {
	var out strings.Builder
	for _, each := range rows {
		fmt.Fprintln(&out, strings.TrimSpace(each.heading+" "+each.text))
	}
	return out.String()
}

func wants(t *testing.T, text string, all ...string) {
	t.Helper()
	for _, each := range all {
		if !strings.Contains(text, each) {
			t.Errorf("not on the page: %q\n%s", each, text)
		}
	}
}

func lacks(t *testing.T, text string, all ...string) {
	t.Helper()
	for _, each := range all {
		if strings.Contains(text, each) {
			t.Errorf("on the page: %q\n%s", each, text)
		}
	}
}

var eth0 = card{"eth0", "52:54:00:12:34:56", true, []string{"10.0.2.15/24", "fec0::1/64"}}

func TestANodeThatIsReady(t *testing.T) {
	node := page{facts: facts{name: "node-1", release: "kubeiso, Kubernetes v1.36.3", role: "master", cards: []card{eth0}, user: "root", login: true}}
	text := shown(node, console.Line{Stage: "ready", State: console.OK, Uptime: 42 * time.Second},
		console.Line{Stage: "clock", State: console.OK, Uptime: 60 * time.Second})
	wants(t, text, "kubeiso  node-1", "kubeiso, Kubernetes v1.36.3, master", "Stage ready, 42 s", "eth0  10.0.2.15/24, fec0::1/64  52:54",
		"kubeadm-init.sh", "Faults none", "ssh root@10.0.2.15\n", "Enter or Alt-F2")
}

func TestAClusterIsNamedByItsEndpoint(t *testing.T) {
	node := page{facts: facts{member: true, controls: true, endpoint: "https://10.0.2.15:6443"}}
	wants(t, shown(node), "control plane of https://10.0.2.15:6443")
	node.controls = false
	wants(t, shown(node), "a node of https://10.0.2.15:6443")
}

func TestAFaultIsShownUntilItIsSeenToGoWell(t *testing.T) {
	failed := console.Line{Stage: "service", Name: "kubelet", State: console.Failed, Error: "no such file"}
	ended := console.Line{Stage: "service", Name: "sshd", State: console.Exited, Fields: console.Fields{"code": 7}}
	wants(t, shown(page{}, failed, ended), "Faults service kubelet: no such file", "service sshd: ended with exit code 7")
	again := console.Line{Stage: "service", Name: "kubelet", State: console.Restart}
	lacks(t, shown(page{}, failed, ended, again), "service kubelet")
}

func TestADegradedNodeSaysWhyOnce(t *testing.T) {
	why := "002-metadata: exit code 2: network-config, line 3, bonds: this key is not known"
	step := console.Line{Stage: "onboot", Name: "002-metadata", State: console.Failed, Error: "exit code 2: network-config, line 3, bonds: this key is not known"}
	line := console.Line{Stage: "degraded", State: console.Failed, Error: why}
	text := shown(page{degraded: []string{why}}, step, line)
	wants(t, text, "degraded, the kubelet does not run: 002-metadata", "Cluster none: the kubelet does not run")
	if strings.Count(text, "line 3") != 1 {
		t.Errorf("said more than once:\n%s", text)
	}
}

func TestABootThatStoppedSaysSo(t *testing.T) {
	heard := newStory()
	heard.take(console.Line{Stage: "onboot", Name: "003-state", State: console.Failed, Error: "the disk is cut off"})
	heard.stop(errors.New("onboot step 003-state: the disk is cut off"))
	text := textOf(page{facts: facts{user: "root", login: true, cards: []card{eth0}}, told: heard.told()}.rows(80, 25))
	wants(t, text, "The boot stopped", "Faults onboot step 003-state: the disk is cut off", "SSH: not started", "no login")
	lacks(t, text, "ssh root@", "Enter")
	if strings.Count(text, "cut off") != 1 {
		t.Errorf("said more than once:\n%s", text)
	}
}

func TestAStepAtWorkShowsItsWords(t *testing.T) {
	node := page{words: []string{"waiting for this node's state disk", "seen: /dev/vda, 10 GiB, xfs"}, waited: 3 * time.Minute}
	text := shown(node, console.Line{Stage: "onboot", Name: "003-state", State: console.Start})
	wants(t, text, "Stage onboot 003-state, for 3 min now", "waiting for this node's state disk", "seen: /dev/vda")
}

func TestACardWithoutCableOrAddress(t *testing.T) {
	node := page{facts: facts{cards: []card{{name: "eth0", mac: "a", cable: false}, {name: "eth1", mac: "b", cable: true}}, user: "root"}}
	wants(t, shown(node), "Network eth0  no cable  a", "eth1  no address yet  b", "SSH: no address yet")
	wants(t, shown(page{}), "no network card", "SSH: no keys")
}

func TestManyFaultsLeaveTheWaysIn(t *testing.T) {
	var lines []console.Line
	for i := range 40 {
		lines = append(lines, console.Line{Stage: "service", Name: fmt.Sprint("s", i), State: console.Failed, Error: strings.Repeat("long ", 100)})
	}
	for _, height := range []int{25, 18, 5} {
		heard := newStory()
		for _, each := range lines {
			heard.take(each)
		}
		rows := page{told: heard.told()}.rows(80, height)
		if len(rows) > height {
			t.Errorf("%d rows on %d", len(rows), height)
		}
		if height >= 18 {
			wants(t, textOf(rows), "lines more", "Ways in")
		}
	}
}

func TestNoTextMovesTheCursor(t *testing.T) {
	wild := console.Line{Stage: "service", Name: "x", State: console.Failed, Error: "\x1b[2J\x1b]0;x\x07\r\n\u009b ü"}
	heard := newStory()
	heard.take(wild)
	for _, each := range (page{told: heard.told()}).rows(80, 25) {
		if strings.ContainsFunc(each.text, func(r rune) bool { return r < ' ' || r > '~' }) {
			t.Errorf("%q", each.text)
		}
	}
}

func TestRowsFitTheScreen(t *testing.T) {
	for _, width := range []int{1, 20, 40, 80, 240} {
		text := string(render(page{facts: facts{name: strings.Repeat("n", 300), cards: []card{eth0}}}.rows(width, 25), width))
		for _, line := range strings.Split(text, "\r\n") {
			bare := line
			for _, code := range []string{"\x1b[?25l", "\x1b[H", "\x1b[0m", "\x1b[0;7m", "\x1b[0;1m", "\x1b[0;1;31m", "\x1b[K", "\x1b[J"} {
				bare = strings.ReplaceAll(bare, code, "")
			}
			if width >= 40 && len(bare) > width {
				t.Errorf("%d columns on %d: %q", len(bare), width, bare)
			}
		}
	}
}

func TestWhoLogsIn(t *testing.T) {
	root := t.TempDir()
	for _, step := range []struct{ file, want string }{
		{"etc/hostname", ""}, {"run/config/users/grace", "grace"}, {"etc/ssh/users/ada", "ada"}, {"root/.ssh/authorized_keys", "root"},
	} {
		path := filepath.Join(root, step.file)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("x"), 0o600)); err != nil {
			t.Fatal(err)
		}
		if got := whoLogsIn(root); got != step.want {
			t.Errorf("with %s: got %q, want %q", step.file, got, step.want)
		}
	}
}

func TestFactsAreReadFromTheNode(t *testing.T) {
	root := t.TempDir()
	for path, text := range map[string]string{
		"etc/os-release":                          "PRETTY_NAME=\"kubeiso, Kubernetes v1.36.3\"\nVARIANT_ID=worker\n",
		"etc/kubernetes/kubelet.conf":             "clusters:\n- cluster:\n    certificate-authority-data: eA==\n    server: https://192.0.2.1:6443\n",
		"run/config/ssh/authorized_keys":          "ssh-ed25519 AAAA\n",
		"containers/services/004-getty/config":    "",
		"run/config/kubeadm/kubeadm.yaml":         "",
		"sys/class/net/no-such-card/device/x":     "",
		"sys/class/net/no-such-card/address":      "52:54:00:00:00:01\n",
		"sys/class/net/no-such-card/carrier":      "1\n",
		"sys/class/net/cni0/address":              "52:54:00:00:00:02\n",
		"sys/class/net/bond0/address":             "52:54:00:00:00:03\n",
		"run/config/network/static/bond0":         "192.0.2.10/24\n",
		"run/config/network/static/away":          "192.0.2.11/24\n",
		"run/log/onboot/onboot.003-state.log":     "first\n\nsecond\nthird\n",
		"run/log/onboot/onboot.003-state.out.log": "other\n",
	} {
		path = filepath.Join(root, path)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	found := look(root)
	if found.release != "kubeiso, Kubernetes v1.36.3" || found.role != "worker" || !found.member || found.controls || found.user != "root" || !found.login ||
		found.alone || found.endpoint != "https://192.0.2.1:6443" {
		t.Errorf("%+v", found)
	}
	if len(found.cards) != 2 || found.cards[0].name != "bond0" || found.cards[1].mac != "52:54:00:00:00:01" || !found.cards[1].cable {
		t.Errorf("%+v", found.cards)
	}
	if err := os.WriteFile(filepath.Join(root, "run/config/kubeadm/join"), nil, 0o600); err != nil || !look(root).alone {
		t.Error("an order to join is not seen")
	}
	if words := lastWords(root, "003-state", 2); strings.Join(words, "|") != "second|third" {
		t.Errorf("%q", words)
	}
}

func TestOnlyTheEndOfALongLogIsRead(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(path, []byte(strings.Repeat("a line of a log\n", 1000)+"last\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	text := tail(path)
	if len(text) > maxTail || !strings.HasPrefix(text, "a line") || !strings.HasSuffix(text, "last\n") {
		t.Errorf("%d bytes: %q ... %q", len(text), text[:10], text[len(text)-10:])
	}
}

func TestItPaintsWhatIsNewAndOverWhatTheKernelWrote(t *testing.T) {
	out := &paper.Paper{}
	made := &Screen{story: newStory(), degraded: func() []string { return nil }, out: out, size: func() (int, int) { return 80, 25 }}
	made.paint(false)
	first := out.String()
	wants(t, first, "kubeiso", "starting")
	made.paint(false)
	if out.String() != first {
		t.Error("the same page was painted twice")
	}
	made.paint(true)
	if out.String() != first+first {
		t.Error("what the kernel wrote was not painted over")
	}
	made.Stopped(errors.New("no root"))
	made.paint(false)
	wants(t, out.String()[2*len(first):], "The boot stopped", "no root")
}

// stuck is a terminal that takes nothing: somebody pressed Scroll Lock.
type stuck struct{ sync.Mutex }

func (s *stuck) Write(data []byte) (int, error) {
	s.Lock()
	return len(data), nil
}

func TestAStoppedTerminalHoldsNobodyUp(t *testing.T) {
	terminal := &stuck{}
	terminal.Lock()
	made := &Screen{story: newStory(), degraded: func() []string { return nil }, out: terminal, size: func() (int, int) { return 80, 25 }}
	out := console.New(&paper.Paper{})
	out.Watch(made.story.take)
	go made.keep(nil)
	done := make(chan struct{})
	go func() {
		for range 1000 {
			out.Report(console.Line{Stage: "x", State: console.OK})
		}
		close(done)
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatal("the console waits for the screen")
	}
	terminal.Unlock()
}
