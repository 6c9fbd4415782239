package main

import (
	"errors"
	"fmt"
	"os"
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
	for _, each := range all.ethernets {
		got = append(got, fmt.Sprintf("%s|%s|%s|%s|%s|%v: %s", each.id, each.mac, each.name, each.driver, each.setName, each.optional, each))
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
	if text := resolvConf(all.ethernets); text != "search example.org\nnameserver 10.64.0.1\n" {
		t.Errorf("resolv.conf: %q", text)
	}
	if want := "network-config, line 16, network.ethernets.eth0.dhcp6: this node does nothing with it"; !slices.Equal(all.warnings, []string{want}) {
		t.Errorf("warnings: %q", all.warnings)
	}
}

func TestMistakesInNetworkConfig(t *testing.T) {
	tests := []struct{ text, want string }{
		{"version: 1\nconfig: []", "line 1: version: 2 is needed"},
		{"ethernets: {}", "version: 2 is needed"},
		{"version: two", `line 1: version: 2 is needed`},
		{"version: 2\nbonds: {}", "line 2, bonds: this key is not known"},
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
		{"version: 2\nethernets: {e: {routes: [{to: 10.0.0.1/8, via: 10.0.0.2}]}}", `"10.0.0.1/8" is no network`},
		{"version: 2\nethernets: {e: {routes: [{to: 10.0.0.0/8, via: '::1'}]}}", "not of the same family"},
		{"version: 2\nethernets: {e: {routes: [{to: 10.0.0.0/8, via: 10.1.1.1, table: 7}]}}", "routes[0].table: this key is not known"},
		{"version: 2\nethernets:\n  a: {gateway4: 10.0.0.1}\n  b: {gateway4: 10.0.0.2}", "line 4, ethernets.b: the route to 0.0.0.0/0 is there twice with the same metric; see a"},
		{"version: 2\nethernets: {e: {nameservers: {addresses: [a]}}}", `"a" is no IP address`},
	}
	for _, test := range tests {
		_, mistakes := parse(texts(map[string]string{"network-config": test.text}))
		if len(mistakes) != 1 || !strings.HasPrefix(mistakes[0].Error(), "network-config") || !strings.Contains(mistakes[0].Error(), test.want) {
			t.Errorf("%q: got %v, want %q", test.text, mistakes, test.want)
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

func (f *fake) configure(name string, wanted *ethernet) (string, error) {
	f.done = append(f.done, name+": "+wanted.String())
	if wanted.setName != "" {
		name = wanted.setName
	}
	return name, f.fail
}

var present = []link{{"eth0", "52:54:00:ab:cd:00", "virtio_net"}, {"eth1", "52:54:00:ab:cd:01", "virtio_net"}}

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
		{"eth2: {}", 0, "ethernets.eth2: no interface fits; there are eth0 (52:54:00:ab:cd:00), eth1 (52:54:00:ab:cd:01)"},
		{"eth2: {optional: true}", 0, ""},
		{"{eth1: {}, b: {match: {macaddress: '52:54:00:ab:cd:01'}}}", 0, "ethernets.b: interface eth1 fits, but it is that of eth1 already"},
	}
	for _, test := range tests {
		all := must(t, map[string]string{"network-config": "version: 2\nethernets:\n  " + test.config})
		done, err := apply(&fake{present: present, late: test.late}, all.ethernets, linkPause*5, func(string) {})
		var names []string
		for _, each := range done {
			names = append(names, each.name)
		}
		if got := strings.Join(names, " "); err == nil && got != test.want || err != nil && !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %q, %v", test.config, got, err)
		}
	}
}

func TestWhatIsDoneToInterfaces(t *testing.T) {
	all := must(t, map[string]string{"network-config": "version: 2\nethernets: {eth0: {dhcp4: true}, eth1: {addresses: [10.0.0.1/8], dhcp4: true}}"})
	on := &fake{present: present}
	if _, err := apply(on, all.ethernets, 0, func(string) {}); err != nil {
		t.Fatal(err)
	}
	if want := []string{"eth1: DHCP, 10.0.0.1/8"}; !slices.Equal(on.done, want) {
		t.Errorf("got %q", on.done)
	}
	on.fail = errors.New("no")
	_, err := apply(on, all.ethernets, 0, func(string) {})
	if err == nil || err.Error() != "network-config, line 2, ethernets.eth1: interface eth1: no" {
		t.Errorf("got %v", err)
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
	done, err := apply(kernel{"/sys"}, all.ethernets, 0, func(string) {})
	if err != nil || len(done) != 1 || done[0].name != "cl0" {
		t.Fatalf("got %v, %v", done, err)
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
	_, err := apply(kernel{"/sys"}, all.ethernets, 0, func(string) {})
	if err == nil || !strings.Contains(err.Error(), "route 0.0.0.0/0 via 192.0.2.1: the gateway is on none of the interface's networks") {
		t.Errorf("got %v", err)
	}
}
