package main

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/vmware/govmomi/toolbox"
)

// hypervisor is VMware's side: it asks what is in `asks`, one after another, and keeps what it hears.
type hypervisor struct {
	mu            sync.Mutex
	asks          []string
	heard, answer []string
	refuses       string
	open          int
}

func (h *hypervisor) locked(do func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	do()
}

// questions is the channel by which it asks; requests one by which it is asked.
type questions struct{ *hypervisor }
type requests struct {
	*hypervisor
	last string
}

func (questions) Start() error { return nil }
func (questions) Stop() error  { return nil }
func (q questions) Send(text []byte) error {
	q.locked(func() {
		if len(text) > 0 {
			q.answer = append(q.answer, string(text))
		}
	})
	return nil
}

func (q questions) Receive() (text []byte, err error) {
	q.locked(func() {
		if len(q.asks) > 0 {
			text, q.asks = []byte(q.asks[0]), q.asks[1:]
		}
	})
	return text, nil
}

func (r *requests) Start() error { r.locked(func() { r.open++ }); return nil }
func (r *requests) Stop() error  { r.locked(func() { r.open-- }); return nil }
func (r *requests) Send(text []byte) error {
	r.locked(func() { r.heard = append(r.heard, string(text)) })
	r.last = string(text)
	return nil
}

func (r *requests) Receive() ([]byte, error) {
	if r.refuses != "" && strings.HasPrefix(r.last, r.refuses) {
		return []byte("0 Unknown command"), nil
	}
	return []byte("1 "), nil
}

// serve runs an agent until the hypervisor has got so many answers, and everything was told.
func serve(t *testing.T, of *hypervisor, look func() (told, error), answers int) (ended []string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	guest := &agent{
		look: look, out: func() toolbox.Channel { return &requests{hypervisor: of} },
		end: func(program string) error { ended = append(ended, program); return nil },
	}
	done := make(chan error)
	go func() { done <- guest.run(ctx, questions{of}, 5*time.Millisecond) }()
	for enough := false; !enough && ctx.Err() == nil; time.Sleep(time.Millisecond) {
		of.locked(func() { enough = len(of.answer) >= answers && len(of.heard) > 0 })
	}
	time.Sleep(20 * time.Millisecond)
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if of.open != 0 {
		t.Errorf("%d channels are left open", of.open)
	}
	return ended
}

var node = told{name: "n1", system: "Linux 6", primary: "192.0.2.7", cards: []byte("cards")}

func known() (told, error) { return node, nil }

func TestTheHypervisorIsToldOnce(t *testing.T) {
	of := &hypervisor{}
	serve(t, of, known, 0)
	want := []string{"SetGuestInfo  1 n1", "SetGuestInfo  5 Linux 6", "SetGuestInfo  6 " + systemName, "SetGuestInfo  10 cards"}
	if !slices.Equal(of.heard, want) {
		t.Errorf("got %q", of.heard)
	}
}

func TestAHypervisorThatWasResetIsToldAnew(t *testing.T) {
	of := &hypervisor{asks: []string{"reset", "ping"}}
	serve(t, of, known, 2)
	count := 0
	for _, each := range of.heard {
		if each == "SetGuestInfo  1 n1" {
			count++
		}
	}
	if count != 2 || !slices.Equal(of.answer, []string{"OK ATR toolbox", "OK "}) {
		t.Errorf("told %d times; answers %q", count, of.answer)
	}
}

func TestAnOlderHypervisorIsToldInTheOlderWay(t *testing.T) {
	of := &hypervisor{refuses: "SetGuestInfo  10 "}
	serve(t, of, known, 0)
	if len(of.heard) != 5 || of.heard[4] != "SetGuestInfo  9 cards" {
		t.Errorf("got %q", of.heard)
	}
}

func TestWhatIsNotTakenIsToldAgain(t *testing.T) {
	of := &hypervisor{refuses: "SetGuestInfo  1 "}
	serve(t, of, known, 0)
	if len(of.heard) < 8 {
		t.Errorf("got %q", of.heard)
	}
}

func TestShutDownAndRestartEndTheNode(t *testing.T) {
	for ask, want := range map[string]string{"OS_Halt": "poweroff", "OS_Reboot\x00": "reboot"} {
		of := &hypervisor{asks: []string{ask}}
		ended := serve(t, of, known, 1)
		if !slices.Equal(ended, []string{want}) || !slices.ContainsFunc(of.heard, func(each string) bool {
			return strings.HasPrefix(each, "tools.os.statechange.status 1 ")
		}) {
			t.Errorf("%s: got %q; heard %q", ask, ended, of.heard)
		}
	}
}

func TestNoCommandIsRunAndNoFilePassed(t *testing.T) {
	of := &hypervisor{asks: []string{"Capabilities_Register", "Vix_1_Relayed_Command \"x\" 1 ls", "OS_Suspend"}}
	ended := serve(t, of, known, 3)
	if ended != nil || len(of.answer) != 3 || !strings.HasPrefix(of.answer[1], "ERR ") {
		t.Errorf("got %q, answers %q", ended, of.answer)
	}
	for _, each := range of.heard {
		if strings.Contains(each, "hgfs") {
			t.Errorf("it offers %q", each)
		}
	}
	if !slices.Contains(of.heard, "tools.capability.statechange") {
		t.Errorf("got %q", of.heard)
	}
}

func TestTheAddressIsToldWhenAsked(t *testing.T) {
	of := &hypervisor{asks: []string{"Set_Option broadcastIP 1", "Set_Option synctime 0"}}
	serve(t, of, known, 2)
	if !slices.Contains(of.heard, "info-set guestinfo.ip 192.0.2.7") {
		t.Errorf("got %q", of.heard)
	}
}

func TestANodeThatCannotLookGoesOn(t *testing.T) {
	of := &hypervisor{asks: []string{"ping", "OS_Halt"}}
	if ended := serve(t, of, func() (told, error) { return told{}, errors.New("no interfaces") }, 2); !slices.Equal(ended, []string{"poweroff"}) {
		t.Errorf("got %q", ended)
	}
}

// network lays out /sys/class/net: name -> its DEVTYPE, "card" for one with a device, and what lies below it.
func network(t *testing.T, made map[string][]string) string {
	t.Helper()
	sys := t.TempDir()
	for name, words := range made {
		folder := filepath.Join(sys, "class/net", name)
		entries := map[string]string{"uevent": "INTERFACE=" + name + "\nDEVTYPE=" + words[0] + "\nIFINDEX=2\n"}
		if words[0] == "card" {
			entries = map[string]string{"uevent": "INTERFACE=" + name + "\n", "device": ""}
		}
		for _, lower := range words[1:] {
			entries["lower_"+lower] = ""
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			t.Fatal(err)
		}
		for entry, text := range entries {
			if err := os.WriteFile(filepath.Join(folder, entry), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return sys
}

func at(text string) net.Addr {
	ip, mask, err := net.ParseCIDR(text)
	if err != nil {
		panic(err)
	}
	return &net.IPNet{IP: ip, Mask: mask.Mask}
}

func TestWhatIsToldOfTheNetwork(t *testing.T) {
	sys := network(t, map[string][]string{
		"eth0": {"card"}, "eth1": {"card"}, "eth2": {"card"}, "bond0": {"bond", "eth1"}, "bond0.5": {"vlan", "bond0"},
		"cni0": {"bridge", "veth1"}, "veth1": {""}, "flannel.1": {"vxlan", "eth0"}, "br0": {"bridge", "br0"},
	})
	all := func() ([]card, error) {
		return []card{
			{name: "lo", addresses: []net.Addr{at("127.0.0.1/8")}},
			{"cni0", "02:00:00:00:00:01", []net.Addr{at("10.244.0.1/24")}},
			{"flannel.1", "02:00:00:00:00:02", []net.Addr{at("10.244.0.0/32")}},
			{"br0", "02:00:00:00:00:03", []net.Addr{at("10.9.0.1/24")}},
			{"eth2", "52:54:00:00:00:02", nil},
			{"eth0", "52:54:00:00:00:00", []net.Addr{at("fe80::1/64"), at("2001:db8::7/64"), at("192.0.2.7/24")}},
			{"bond0.5", "52:54:00:00:00:01", []net.Addr{at("198.51.100.7/24")}},
		}, nil
	}
	got, err := look(sys, all)
	if err != nil {
		t.Fatal(err)
	}
	var info toolbox.GuestNicInfo
	if err := toolbox.DecodeXDR(got.cards, &info); err != nil {
		t.Fatal(err)
	}
	var macs []string
	for _, each := range info.V3.Nics {
		macs = append(macs, each.MacAddress)
	}
	if !slices.Equal(macs, []string{"52:54:00:00:00:00", "52:54:00:00:00:01"}) || len(info.V3.Nics[0].IPs) != 3 || info.V3.Nics[0].IPs[2].PrefixLength != 24 {
		t.Errorf("got %v", info.V3.Nics)
	}
	if got.primary != "192.0.2.7" || got.name == "" || !strings.HasPrefix(got.system, "kubeiso, Linux ") {
		t.Errorf("got %+v", got)
	}
}

func TestPrimaryAddress(t *testing.T) {
	wide := []card{{name: "eth0", addresses: []net.Addr{at("fe80::1/64"), at("2001:db8::7/64")}}}
	if got := primary(wide); got != "2001:db8::7" {
		t.Errorf("got %q", got)
	}
	if got := primary([]card{{name: "eth0", addresses: []net.Addr{at("169.254.1.1/16"), at("fe80::1/64")}}}); got != "" {
		t.Errorf("got %q", got)
	}
}
