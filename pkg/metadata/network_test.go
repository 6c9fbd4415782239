package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

const fullConfig = `
network:
  version: 2
  renderer: networkd
  ethernets:
    cluster:
      match: {macaddress: "52:54:00:AB:cd:01"}
      set-name: cl0
      addresses: [10.64.0.11/24, "2001:db8::1/64"]
      mtu: 1450
      routes:
      - {to: 10.244.1.0/24, via: 10.64.0.12}
      - {to: default, via: "2001:db8::ff", metric: 5}
      - {to: 198.51.100.7}
      nameservers: {addresses: [10.64.0.1], search: [example.org]}
    eth0: {dhcp4: yes, dhcp6: false, optional: true}
    old: {match: {driver: "virtio*", name: "en?"}, gateway4: 192.0.2.1, addresses: [192.0.2.2/24]}
`

func TestNetworkConfigIsRead(t *testing.T) {
	all := must(t, map[string]string{"network-config": fullConfig})
	var got []string
	for _, each := range all.netdevs {
		got = append(got, fmt.Sprintf("%s|%s|%s|%s|%s|%v: %s", each.id, each.mac, each.name, strings.Join(each.drivers, ","), each.setName, each.optional, each))
	}
	want := []string{
		"cluster|52:54:00:ab:cd:01|||cl0|false: 10.64.0.11/24, 2001:db8::1/64, MTU 1450, route 10.244.1.0/24 via 10.64.0.12, " +
			"route ::/0 via 2001:db8::ff, route 198.51.100.7/32",
		"eth0||eth0|||true: DHCP",
		"old||en?|virtio*||false: 192.0.2.2/24, route 0.0.0.0/0 via 192.0.2.1",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if got := resolvConf(all.netdevs); got != (resolver{"nameserver 10.64.0.1\n", "search example.org\n"}) {
		t.Errorf("resolv.conf: %q", got)
	}
	if all.warnings != nil {
		t.Errorf("warnings: %q", all.warnings)
	}
}

func TestMistakesInNetworkConfig(t *testing.T) {
	tests := []struct{ text, want string }{
		{"version: 3\nconfig: []", "line 1, version: a node doesn't know version 3 of network-config; it knows versions 1 and 2"},
		{"ethernets: {}", "version is missing"},
		{"version: two", `a node doesn't know version two`},
		{"version: 2\nethernets: {e: {dhcp6: perhaps}}", "line 2, ethernets.e.dhcp6"},
		{"version: 2\nethernets: {e: {accept-ra: perhaps}}", "line 2, ethernets.e.accept-ra"},
		{"version: 2\nethernets: {e: {dhcp4: true, dhcp4-overrides: {use-routes: false}}}", "dhcp4-overrides.use-routes: a node's DHCP client"},
		{"version: 2\nethernets: {e: {dhcp4: true, dhcp4-overrides: {route-metric: 5}}}", "dhcp4-overrides.route-metric: a node's DHCP client"},
		{"version: 2\nethernets: {e: {routing-policy: []}}", "routing-policy: this key is not known"},
		{"version: 2\nethernets: {e: {addresses: [{10.0.0.1/8: {lifetime: 5}}]}}", `lifetime: "5" is neither`},
		{"version: 2\ntunnels: {}", "line 2, tunnels: this key is not known"},
		{"network: {version: 2}\nethernets: {}", "line 2, ethernets: this key is not known"},
		{"version: 2\nethernets: {e: {adresses: []}}", "line 2, ethernets.e.adresses: this key is not known"},
		{"version: 2\nethernets: {e: {addresses: [10.0.0.1]}}", `line 2, ethernets.e.addresses[0]: "10.0.0.1" is no address`},
		{"version: 2\nethernets: {e: {addresses: 10.0.0.1/8}}", "ethernets.e.addresses: a list is expected"},
		{"version: 2\nethernets: {e: {match: {}}}", "macaddress, name or driver is needed"},
		{"version: 2\nethernets: {e: {match: {macaddress: 52-54}}}", `"52-54" is no hardware address`},
		{"version: 2\nethernets: {e: {mtu: -1}}", `"-1" is no whole number`},
		{"version: 2\nethernets: {e: {dhcp4: maybe}}", "true or false is expected"},
		{"version: 2\nethernets: {e: {set-name: a/b}}", `"a/b" is no name for an interface`},
		{"version: 2\nethernets: {e: {gateway4: x}}", `gateway4: "x" is no IP address`},
		{"version: 2\nethernets: {e: {routes: [{to: default}]}}", `routes[0]: to: "default" is no network`},
		{"version: 2\nethernets: {e: {routes: [{to: 0.0.0.0/0}]}}", "via is missing"},
		{"version: 2\nethernets: {e: {routes: [{to: 10.0.0.1/x, via: 10.0.0.2}]}}", `"10.0.0.1/x" is no network`},
		{"version: 2\nethernets: {e: {routes: [{to: 10.0.0.0/8, via: '::1'}]}}", "not of the same family"},
		{"version: 2\nethernets: {e: {routes: [{to: 10.0.0.0/8, via: 10.1.1.1, tabel: 7}]}}", "routes[0].tabel: this key is not known"},
		{"version: 2\nethernets:\n  a: {gateway4: 10.0.0.1}\n  b: {gateway4: 10.0.0.2}", "line 4, ethernets.b: the route to 0.0.0.0/0 is there twice with the same metric; see a"},
		{"version: 2\nethernets: {e: {nameservers: {addresses: [a]}}}", `"a" is no IP address`},
	}
	for _, test := range tests {
		faults := parse(texts(map[string]string{"network-config": test.text})).faults
		if len(faults) != 1 || !strings.HasPrefix(faults[0].Error(), "network-config") || !strings.Contains(faults[0].Error(), test.want) {
			t.Errorf("%q: got %v, want %q", test.text, faults, test.want)
		}
	}
}

// fake is a node's network that writes down what is done to it.
type fake struct {
	present []link
	late    int // how often links is called before they are there
	done    []string
	fail    error
}

func (f *fake) links() ([]link, error) {
	if f.late--; f.late >= 0 {
		return nil, nil
	}
	return f.present, nil
}

func (f *fake) rename(from, to string) error {
	for i, each := range f.present {
		if each.name == to {
			return errors.New("file exists")
		}
		if each.name == from {
			defer func() { f.present[i].name = to }()
		}
	}
	return nil
}

func (f *fake) make(name string, wanted *netdev, parts []applied) error {
	var of []string
	for _, part := range parts {
		of = append(of, part.name)
	}
	f.done = append(f.done, fmt.Sprintf("%s is a %s of %s", name, wanted.virtual.kind(), strings.Join(of, " ")))
	return f.fail
}

func (f *fake) configure(name string, wanted *netdev) []error {
	f.done = append(f.done, name+": "+wanted.String())
	if f.fail != nil {
		return []error{f.fail}
	}
	return nil
}

// twoCards are those of a node, beside a bond that has the address of one of them.
func twoCards() []link {
	return []link{
		{"bond0", "52:54:00:ab:cd:01", "", nil, false},
		{"eth0", "52:54:00:ab:cd:00", "virtio_net", []string{"enp0s3", "ens3"}, true},
		{"eth1", "52:54:00:ab:cd:01", "virtio_net", []string{"enp0s4", "ens4"}, true},
	}
}

func faultsIn(faults []error) string { return (&failure{faults}).Error() }

func TestInterfacesAreFound(t *testing.T) {
	tests := []struct {
		config string
		late   int
		want   string // the interfaces, or a part of the error
	}{
		{"a: {match: {macaddress: '52:54:00:ab:cd:01'}, addresses: [10.0.0.1/8]}", 0, "eth1"},
		{"a: {match: {macaddress: '52:54:00:ab:cd:01'}, addresses: [10.0.0.1/8]}", 2, "eth1"},
		{"a: {match: {macaddress: '52:54:00:ab:cd:01'}, set-name: x}", 0, "x"},
		{"eth1: {}", 0, "eth1"},
		{"a: {match: {name: 'eth*'}, dhcp4: true}", 0, "eth0 eth1"},
		{"a: {match: {driver: virtio_net, name: eth0}}", 0, "eth0"},
		{"a: {match: {name: 'eth*'}, addresses: [10.0.0.1/8]}", 0, "line 3, ethernets.a: only one interface can have this, and eth0, eth1 fit"},
		{"ens4: {}", 0, "eth1"},
		{"a: {match: {name: enp0s4}}", 0, "eth1"},
		{"a: {match: {driver: [e1000, 'virtio*'], name: eth0}}", 0, "eth0"},
		{"eth9: {addresses: [10.0.0.1/8], optional: true}", 0, ""},
		{"eth2: {}", 0, "ethernets.eth2: no interface fits; there are bond0 (52:54:00:ab:cd:01), eth0 (52:54:00:ab:cd:00, or enp0s3, ens3), eth1 ("},
		{"eth2: {optional: true}", 0, ""},
		{"{eth1: {}, b: {match: {macaddress: '52:54:00:ab:cd:01'}}}", 0, "ethernets.b: interface eth1 fits, but it is that of eth1 already"},
	}
	for _, test := range tests {
		all := must(t, map[string]string{"network-config": "version: 2\nethernets:\n  " + test.config})
		done, faults := apply(&fake{present: twoCards(), late: test.late}, all.netdevs, linkPause*5, func(string) {})
		var names []string
		for _, each := range done {
			names = append(names, each.name)
		}
		got := strings.Join(names, " ")
		if faults == nil && got != test.want || faults != nil && !strings.Contains(faultsIn(faults), test.want) {
			t.Errorf("%s: got %q, %v", test.config, got, faults)
		}
	}
}

func TestWhatIsDoneToInterfaces(t *testing.T) {
	all := must(t, map[string]string{"network-config": "version: 2\nethernets: {eth0: {dhcp4: true}, eth1: {addresses: [10.0.0.1/8], dhcp4: true}}"})
	on := &fake{present: twoCards()}
	if _, faults := apply(on, all.netdevs, 0, func(string) {}); faults != nil {
		t.Fatal(faults)
	}
	if want := []string{"eth1: DHCP, 10.0.0.1/8"}; !slices.Equal(on.done, want) {
		t.Errorf("got %q", on.done)
	}
	on.fail = errors.New("no")
	done, faults := apply(on, all.netdevs, 0, func(string) {})
	if faultsIn(faults) != "network-config, line 2, ethernets.eth1: interface eth1: no" || done[1].whole {
		t.Errorf("got %v", faults)
	}
}

func TestOneCardThatIsMissingKeepsNoOtherFromItsAddress(t *testing.T) {
	all := must(t, map[string]string{"network-config": "version: 2\nethernets: {eth7: {addresses: [10.0.0.2/8]}, eth1: {addresses: [10.0.0.1/8]}}"})
	on := &fake{present: twoCards()}
	done, faults := apply(on, all.netdevs, 0, func(string) {})
	if len(faults) != 1 || len(done) != 1 || !slices.Equal(on.done, []string{"eth1: 10.0.0.1/8"}) {
		t.Errorf("got %v, %v, %q", done, faults, on.done)
	}
}

func TestNamesAreExchangedInOneStep(t *testing.T) {
	at := func(last, name string) string {
		return fmt.Sprintf("{match: {macaddress: '52:54:00:ab:cd:%s'}, set-name: %s, addresses: [10.0.0.1/8]}", last, name)
	}
	for config, want := range map[string][2]string{ // what eth0 and eth1 are called then
		"{a: " + at("01", "eth0") + ", b: " + at("00", "eth1") + "}": {"eth1", "eth0"},
		"{b: " + at("00", "eth1") + ", a: " + at("01", "eth0") + "}": {"eth1", "eth0"},
		"{a: " + at("01", "eth0") + "}":                              {"eth1", "eth0"}, // nobody asks for the other's name
		"{a: " + at("00", "eth1") + ", b: " + at("01", "x") + "}":    {"eth1", "x"},
		"{a: " + at("00", "eth0") + ", b: " + at("01", "eth1") + "}": {"eth0", "eth1"},
	} {
		all := must(t, map[string]string{"network-config": "version: 2\nethernets: " + config})
		on := &fake{present: twoCards()}
		done, faults := apply(on, all.netdevs, 0, func(string) {})
		if faults != nil || on.present[1].name != want[0] || on.present[2].name != want[1] {
			t.Errorf("%s: got %v, %v", config, on.present, faults)
		}
		for _, each := range done {
			if each.from.setName != each.name {
				t.Errorf("%s: %s is known as %s", config, each.from.id, each.name)
			}
		}
	}
}

func TestOneNameForTwoCardsIsAFault(t *testing.T) {
	all := must(t, map[string]string{"network-config": "version: 2\nethernets: {eth0: {set-name: x}, eth1: {set-name: x}}"})
	if _, faults := apply(&fake{present: twoCards()}, all.netdevs, 0, func(string) {}); len(faults) != 1 {
		t.Errorf("got %v", faults)
	}
}

func TestFormsThatNetplanDocuments(t *testing.T) {
	all := must(t, map[string]string{"network-config": `version: 2
ethernets:
  eth0:
    macaddress: 52:54:00:00:00:01
    mtu: 0x5dc
    dhcp6: true
    addresses: [{10.0.0.1/8: {lifetime: 0, label: "eth0:1"}}, {10.0.0.2/8: }]
    routes: [{to: 192.0.2.77/24, via: 10.0.0.9, table: 7, mtu: 1400, type: unicast}, {to: 0.0.0.0/0, scope: link}]
  eth1: {dhcp4: true, dhcp4-overrides: {use-dns: true, send-hostname: false}, accept-ra: false}
`})
	got := all.netdevs[0]
	want := "DHCPv6 and SLAAC, 10.0.0.1/8, 10.0.0.2/8, hardware address 52:54:00:00:00:01, MTU 1500, route 192.0.2.0/24 via 10.0.0.9 in table 7, route 0.0.0.0/0"
	if got.String() != want || !got.addresses[0].deprecated || got.addresses[0].label != "eth0:1" || len(all.warnings) != 4 {
		t.Errorf("got %s, %+v, %q", got, got.addresses, all.warnings)
	}
	if off := must(t, map[string]string{"network-config": "network: {config: disabled}"}); off.netdevs != nil {
		t.Errorf("got %v", off.netdevs)
	}
}

// newNetwork moves the test's thread to a network namespace with one interface; the thread ends with the test.
func newNetwork(t *testing.T, name string) netlink.Link {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("a network namespace needs root")
	}
	runtime.LockOSThread()
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		t.Skipf("this machine has no network namespaces for us: %v", err)
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name = name
	made := &netlink.Veth{LinkAttrs: attributes, PeerName: "peer"}
	if err := netlink.LinkAdd(made); err != nil {
		t.Skipf("this kernel makes no interface for us: %v", err)
	}
	return made
}

func TestTheKernelIsConfigured(t *testing.T) {
	newNetwork(t, "eth7")
	config := `{version: 2, ethernets: {eth7: {set-name: cl0, addresses: [10.64.0.11/24], mtu: 1400,
		routes: [{to: 10.244.1.0/24, via: 10.64.0.12}, {to: default, via: 192.0.2.1, on-link: true}, {to: 198.51.100.0/24}]}}}`
	all := must(t, map[string]string{"network-config": strings.ReplaceAll(config, "\t", " ")})
	done, faults := apply(kernel{"/sys"}, all.netdevs, 0, func(string) {})
	if faults != nil || len(done) != 1 || done[0].name != "cl0" {
		t.Fatalf("got %v, %v", done, faults)
	}
	link, err := netlink.LinkByName("cl0")
	if err != nil || link.Attrs().MTU != 1400 {
		t.Fatalf("got %+v, %v", link, err)
	}
	addresses, err := netlink.AddrList(link, netlink.FAMILY_V4)
	if err != nil || len(addresses) != 1 || addresses[0].IPNet.String() != "10.64.0.11/24" || addresses[0].Broadcast.String() != "10.64.0.255" {
		t.Errorf("got %v, %v", addresses, err)
	}
	routes, err := netlink.RouteList(link, netlink.FAMILY_V4)
	var got []string
	for _, each := range routes {
		got = append(got, fmt.Sprintf("%s via %s", each.Dst, each.Gw))
	}
	slices.Sort(got)
	want := []string{"0.0.0.0/0 via 192.0.2.1", "10.244.1.0/24 via 10.64.0.12", "10.64.0.0/24 via <nil>", "198.51.100.0/24 via <nil>"}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("got %q, %v", got, err)
	}
}

func TestAGatewayThatIsNotOnTheNetworkIsTold(t *testing.T) {
	newNetwork(t, "eth7")
	all := must(t, map[string]string{"network-config": "{version: 2, ethernets: {eth7: {addresses: [10.64.0.11/24], gateway4: 192.0.2.1}}}"})
	_, faults := apply(kernel{"/sys"}, all.netdevs, 0, func(string) {})
	if !strings.Contains(faultsIn(faults), "route 0.0.0.0/0 via 192.0.2.1: the gateway is on none of the interface's networks") {
		t.Errorf("got %v", faults)
	}
}

func TestTheKernelExchangesNames(t *testing.T) {
	before := newNetwork(t, "eth0") // its peer is the other card
	other, err := netlink.LinkByName("peer")
	if err != nil {
		t.Fatal(err)
	}
	if err := netlink.LinkSetUp(before); err != nil {
		t.Fatal(err)
	}
	config := fmt.Sprintf("{version: 2, ethernets: {a: {match: {macaddress: '%s'}, set-name: eth0, addresses: [10.0.0.1/8]}}}", other.Attrs().HardwareAddr)
	all := must(t, map[string]string{"network-config": config})
	if _, faults := apply(kernel{"/sys"}, all.netdevs, 0, func(string) {}); faults != nil {
		t.Fatal(faults)
	}
	now, err := netlink.LinkByName("eth0")
	if err != nil || now.Attrs().Index != other.Attrs().Index {
		t.Errorf("eth0 is %+v, %v", now, err)
	}
	moved, err := netlink.LinkByName("peer")
	if err != nil || moved.Attrs().Index != before.Attrs().Index || moved.Attrs().Flags&net.FlagUp == 0 {
		t.Errorf("peer is %+v, %v", moved, err)
	}
}

func TestAlternativeNames(t *testing.T) {
	tests := []struct {
		device string // below /sys/devices; the card's own folder
		files  map[string]string
		want   []string
	}{
		{"pci0000:00/0000:00:03.0/virtio0", map[string]string{"bus/pci/slots/3/address": "0000:00:03"}, []string{"enp0s3", "ens3"}},
		{"pci0000:00/0000:00:16.0/0000:0b:00.0", map[string]string{"bus/pci/slots/192/address": "0000:0b:00"}, []string{"enp11s0", "ens192"}},
		{"pci0000:00/0000:00:1f.6", map[string]string{"devices/pci0000:00/0000:00:1f.6/acpi_index": "1"}, []string{"eno1", "enp0s31f6"}},
		{"pci0001:00/0001:02:00.0", map[string]string{"devices/pci0001:00/0001:02:00.0/config": strings.Repeat("\x00", 14) + "\x80\x00"}, []string{"enP1p2s0f0"}},
		{"pci0000:00/0000:01:00.0", map[string]string{"class/net/eth0/dev_port": "1"}, []string{"enp1s0d1"}},
		{"pci0000:00/0000:01:00.0", map[string]string{"class/net/eth0/phys_port_name": "p0"}, []string{"enp1s0np0"}},
		{"vif-2", nil, []string{"enX2"}},
		{"LNXSYSTM:00/vmbus", nil, nil},
	}
	for _, test := range tests {
		sys := t.TempDir()
		device, class := filepath.Join(sys, "devices", test.device), filepath.Join(sys, "class/net/eth0")
		err := errors.Join(os.MkdirAll(device, 0o700), os.MkdirAll(class, 0o700), os.Symlink(device, filepath.Join(class, "device")))
		for name, text := range test.files {
			err = errors.Join(err, os.MkdirAll(filepath.Dir(filepath.Join(sys, name)), 0o700), os.WriteFile(filepath.Join(sys, name), []byte(text), 0o600))
		}
		if err != nil {
			t.Fatal(err)
		}
		got := kernel{sys}.alternativeNames("eth0", "52:54:00:ab:cd:00")
		if want := append([]string{"enx525400abcd00"}, test.want...); !slices.Equal(got, want) {
			t.Errorf("%s: got %q, want %q", test.device, got, want)
		}
	}
}
