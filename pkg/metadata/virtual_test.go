package main

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
)

const madeOfOthers = `
network:
  version: 2
  ethernets:
    first: {match: {macaddress: "52:54:00:ab:cd:00"}}
    eth1: {dhcp4: true}
  vlans:
    storage: {id: 40, link: bond0, addresses: [10.40.0.5/24], mtu: 1400}
  bridges:
    br0: {interfaces: [storage2], addresses: [10.41.0.5/24], parameters: {stp: false, forward-delay: 4, priority: 100, path-cost: {storage2: 5}}}
  bonds:
    bond0:
      interfaces: [first, eth1]
      macaddress: 52:54:00:ab:cd:99
      dhcp4: true
      parameters: {mode: active-backup, primary: first, mii-monitor-interval: 200ms, gratuitious-arp: 2, all-slaves-active: true}
  # netplan's order is free
  "vlans ": {}
`

func lines(netdevs []*netdev) (found []string) {
	for _, each := range netdevs {
		found = append(found, each.id+": "+each.String())
	}
	return found
}

func TestBondsBridgesAndVLANsAreReadAndComeAfterWhatTheyAreMadeOf(t *testing.T) {
	all := must(t, map[string]string{"network-config": strings.Replace(madeOfOthers, "  \"vlans \": {}\n", "", 1)})
	want := []string{
		"first: part of bond0",
		"eth1: part of bond0",
		"bond0: active-backup bond of first, eth1, DHCP, hardware address 52:54:00:ab:cd:99",
		"storage2: part of br0",
		"br0: bridge of storage2, 10.41.0.5/24",
		"storage: VLAN 40 on bond0, 10.40.0.5/24, MTU 1400",
	}
	if got := lines(all.netdevs); !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if len(all.warnings) != 2 || !strings.Contains(all.warnings[0]+all.warnings[1], "eth1 is a part of bond0, which has the addresses") {
		t.Errorf("warnings: %q", all.warnings)
	}
	bond := all.netdevs[2].virtual.bond
	if bond.Miimon != 200 || bond.NumPeerNotif != 2 || bond.AllSlavesActive != 1 || bond.primary != "first" {
		t.Errorf("got %+v", bond)
	}
	bridge := all.netdevs[4].virtual.bridge.options
	if bridge[nl.IFLA_BR_STP_STATE] != 0 || bridge[nl.IFLA_BR_FORWARD_DELAY] != 400 || bridge[nl.IFLA_BR_PRIORITY] != 100 {
		t.Errorf("got %v", bridge)
	}
}

func TestMistakesInWhatIsMadeOfOthers(t *testing.T) {
	tests := []struct{ text, want string }{
		{"bonds: {b: {interfaces: [a], parameters: {mode: fast}}}", `bonds.b.parameters.mode: "fast" is not known here; there are 802.3ad, active-backup`},
		{"bonds: {b: {interfaces: [a], parameters: {mood: fast}}}", "bonds.b.parameters.mood: this key is not known"},
		{"bonds: {b: {interfaces: [a], parameters: {up-delay: soon}}}", `"soon" is no time`},
		{"bonds: {b: {interfaces: [a], parameters: {arp-ip-targets: [x]}}}", `"x" is no IP address`},
		{"bonds: {b: {interfaces: [a]}, c: {interfaces: [a]}}", "bonds.c.interfaces[0]: a is a part of b already"},
		{"bonds: {b: {interfaces: a}}", "bonds.b.interfaces: a list is expected"},
		{"bonds: {a/b: {}}", `"a/b" is no name for an interface`},
		{"bridges: {b: {interfaces: [c]}, c: {interfaces: [b]}}", "is made of itself"},
		{"bridges: {b: {parameters: {stp: 7}}}", "true or false is expected"},
		{"vlans: {v: {id: 4095, link: a}}", "vlans.v.id: 4095 is no number of a VLAN"},
		{"vlans: {v: {link: a}}", "vlans.v: id is missing"},
		{"vlans: {v: {id: 5}}", "vlans.v: link is missing"},
		{"ethernets: {a: {}}\nbonds: {a: {interfaces: [b]}}", "bonds.a: a is there twice: see line 2"},
	}
	for _, test := range tests {
		faults := parse(texts(map[string]string{"network-config": "version: 2\n" + test.text})).faults
		if len(faults) != 1 || !strings.Contains(faults[0].Error(), test.want) {
			t.Errorf("%q: got %v, want %q", test.text, faults, test.want)
		}
	}
}

func TestInterfacesAreMadeOfThoseThatAreThere(t *testing.T) {
	config := `{version: 2, ethernets: {n: {match: {name: 'eth*'}}}, bonds: {b: {interfaces: [n], addresses: [10.0.0.1/8]}},
		vlans: {v: {id: 5, link: b, dhcp4: true}, lost: {id: 6, link: eth9}}}`
	all := parse(texts(map[string]string{"network-config": strings.ReplaceAll(config, "\t", " ")}))
	on := &fake{present: twoCards()}
	done, faults := apply(on, all.netdevs, 0, func(string) {})
	want := []string{
		"eth0: part of b", "eth1: part of b", "b is a bond of eth0 eth1", "b: balance-rr bond of n, 10.0.0.1/8", "v is a VLAN of b",
		"v: VLAN 5 on b, DHCP",
	}
	if !slices.Equal(on.done, want) {
		t.Errorf("got %q", on.done)
	}
	if told := faultsIn(faults); len(faults) != 2 || !strings.Contains(told, "eth9: no interface fits") && !strings.Contains(told, "vlans.lost: lost: nothing is there") {
		t.Errorf("got %v", faults)
	}
	root := t.TempDir()
	if err := writeNetwork(root, done, &netdev{}); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(root, runConfig, "network/*/*"))
	for i, each := range left {
		left[i], _ = filepath.Rel(filepath.Join(root, runConfig, "network"), each)
	}
	if want := []string{"dhcp/v", "static/b", "static/eth0", "static/eth1"}; err != nil || !slices.Equal(left, want) {
		t.Errorf("got %q, %v", left, err)
	}
	// In a degraded mode, parts are no cards that could have an address by DHCP.
	if kept := withAddresses(done); len(kept) != len(done) {
		t.Errorf("got %v of %v", kept, done)
	}
}

func TestTheKernelMakesABridge(t *testing.T) {
	newNetwork(t, "eth7")
	config := `{version: 2, bridges: {br0: {interfaces: [eth7], addresses: [10.64.0.11/24], macaddress: "52:54:00:00:00:07",
		parameters: {stp: false, priority: 4096, forward-delay: 4, ageing-time: 60}}}}`
	all := must(t, map[string]string{"network-config": strings.ReplaceAll(config, "\t", " ")})
	done, faults := apply(kernel{"/sys"}, all.netdevs, 0, func(string) {})
	if faults != nil || len(done) != 2 {
		t.Fatalf("got %v, %v", done, faults)
	}
	made, err := netlink.LinkByName("br0")
	if err != nil {
		t.Fatal(err)
	}
	part, err := netlink.LinkByName("eth7")
	if err != nil || part.Attrs().MasterIndex != made.Attrs().Index || part.Attrs().Flags&net.FlagUp == 0 {
		t.Errorf("eth7 is %+v, %v", part, err)
	}
	if bridge := made.(*netlink.Bridge); *bridge.AgeingTime != 6000 || bridge.HardwareAddr.String() != "52:54:00:00:00:07" {
		t.Errorf("br0 is %+v", bridge)
	}
	addresses, err := netlink.AddrList(made, netlink.FAMILY_V4)
	if err != nil || len(addresses) != 1 {
		t.Errorf("got %v, %v", addresses, err)
	}
	for option, want := range map[string]string{"stp_state": "0", "priority": "4096", "forward_delay": "400"} {
		text, err := os.ReadFile(filepath.Join("/proc/thread-self/root/sys/class/net/br0/bridge", option))
		if err == nil && strings.TrimSpace(string(text)) != want { // /sys may be another network namespace's
			t.Errorf("%s is %s", option, text)
		}
	}
}

func TestAnInterfaceThatCannotBeMadeIsTold(t *testing.T) {
	newNetwork(t, "eth7")
	all := must(t, map[string]string{"network-config": "{version: 2, bridges: {peer: {interfaces: [eth7]}}}"})
	done, faults := apply(kernel{"/sys"}, all.netdevs, 0, func(string) {})
	want := "network-config, line 1, bridges.peer: bridge peer: making it: file exists"
	if len(done) != 1 || fmt.Sprint(faultsIn(faults)) != want {
		t.Errorf("got %v, %v", done, faults)
	}
}
