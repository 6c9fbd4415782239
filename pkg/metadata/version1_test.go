package main

import (
	"slices"
	"strings"
	"testing"
)

// As Proxmox writes it for a machine with a static address on one card and DHCP on the other.
const proxmox = `version: 1
config:
    - type: physical
      name: eth0
      mac_address: 'bc:24:11:0a:0b:0c'
      subnets:
      - type: static
        address: '192.0.2.10'
        netmask: '255.255.255.0'
        gateway: '192.0.2.1'
      - type: static6
        address: '2001:db8::10/64'
        gateway: '2001:db8::1'
    - type: physical
      name: eth1
      mac_address: 'bc:24:11:0a:0b:0d'
      subnets:
      - type: dhcp4
    - type: nameserver
      address:
      - '192.0.2.53'
      search:
      - 'example.org'
`

// As MAAS writes it for a server with a bond, a VLAN and a bridge.
const maas = `version: 1
config:
- {type: loopback, name: lo, subnets: [{type: loopback, dns_nameservers: [192.0.2.99]}]}
- {type: physical, name: ens1f0, mac_address: "52:54:00:ab:cd:00", subnets: [{type: manual}]}
- {type: physical, name: ens1f1, mac_address: "52:54:00:ab:cd:01", mtu: 9000}
- type: bond
  name: bond0
  mac_address: "52:54:00:ab:cd:00"
  bond_interfaces: [ens1f0, ens1f1]
  mtu: 9000
  params: {bond-mode: 4, bond_miimon: 100, bond-lacp-rate: fast, bond-xmit_hash_policy: layer3+4, bond-downdelay: 0, bond-updelay: "0"}
  subnets: [{type: static, address: 10.0.0.5/24, dns_nameservers: 10.0.0.1 10.0.0.2, dns_search: [a.example, b.example],
    routes: [{network: 172.16.0.0, netmask: 255.240.0.0, gateway: 10.0.0.9}]}]
- {type: vlan, name: bond0.40, vlan_link: bond0, vlan_id: 40, subnets: [{type: static, address: 10.40.0.5/24, control: auto}]}
- {type: bridge, name: br0, bridge_interfaces: [bond0.41], params: {bridge_stp: 'off', bridge_fd: 0}, subnets: [{type: dhcp}]}
- {type: vlan, name: bond0.41, vlan_link: bond0, vlan_id: 41}
- {type: route, destination: 198.51.100.0/24, gateway: 10.40.0.1, metric: 3}
`

func TestVersion1IsRead(t *testing.T) {
	tests := []struct {
		config string
		want   []string
		names  resolver
	}{
		{proxmox, []string{
			"eth0: 192.0.2.10/24, 2001:db8::10/64, route 0.0.0.0/0 via 192.0.2.1, route ::/0 via 2001:db8::1",
			"eth1: DHCP",
		}, resolver{"nameserver 192.0.2.53\n", "search example.org\n"}},
		{maas, []string{
			"ens1f0: part of bond0",
			"ens1f1: part of bond0",
			"bond0: 802.3ad bond of ens1f0, ens1f1, 10.0.0.5/24, hardware address 52:54:00:ab:cd:00, MTU 9000, route 172.16.0.0/12 via 10.0.0.9",
			"bond0.40: VLAN 40 on bond0, 10.40.0.5/24, route 198.51.100.0/24 via 10.40.0.1",
			"bond0.41: VLAN 41 on bond0, part of br0",
			"br0: bridge of bond0.41, DHCP",
		}, resolver{"nameserver 192.0.2.99\nnameserver 10.0.0.1\nnameserver 10.0.0.2\n", "search a.example b.example\n"}},
		{"network: {version: 1, config: []}", nil, resolver{}},
		{"version: 1\nconfig: disabled", nil, resolver{}},
	}
	for _, test := range tests {
		all := must(t, map[string]string{"network-config": test.config})
		if got := lines(all.netdevs); !slices.Equal(got, test.want) {
			t.Errorf("got %q", got)
		}
		if got := resolvConf(append([]*netdev{&all.everywhere}, all.netdevs...)); got != test.names {
			t.Errorf("got %q", got)
		}
		if all.warnings != nil {
			t.Errorf("warnings: %q", all.warnings)
		}
	}
	all := must(t, map[string]string{"network-config": proxmox})
	if first := all.netdevs[0]; first.mac != "bc:24:11:0a:0b:0c" || first.name != "" || first.setName != "eth0" {
		t.Errorf("got %+v", first)
	}
	bond := must(t, map[string]string{"network-config": maas}).netdevs[2].virtual.bond
	if bond.Miimon != 100 || bond.LacpRate != 1 || bond.XmitHashPolicy != 1 || bond.UpDelay != 0 {
		t.Errorf("got %+v", bond)
	}
}

func TestMistakesInVersion1(t *testing.T) {
	tests := []struct{ text, want string }{
		{"config: {}", "config: a list is expected"},
		{"", "config is missing"},
		{"config: [{type: wlan}]", `config[0]: type: "wlan" is not known to a node`},
		{"config: [{type: physical}]", "config[0]: name is missing"},
		{"config: [{type: physical, name: e, macaddress: x}]", "config[0].macaddress: this key is not known"},
		{"config: [{type: physical, name: e, subnets: [{type: static, address: x}]}]", `subnets[0]: address: "x" is no address`},
		{"config: [{type: physical, name: e, subnets: [{type: static, address: 10.0.0.1, netmask: 255.0.255.0}]}]", `"255.0.255.0" is no mask`},
		{"config: [{type: physical, name: e, subnets: [{type: ppp}]}]", `type: "ppp" is not known`},
		{"config: [{type: vlan, name: v, vlan_id: 5}]", "vlan_link is missing"},
		{"config: [{type: route, destination: 10.0.0.0/8, gateway: 192.0.2.1}]", "the gateway 192.0.2.1 is on no network of an interface"},
		{"config: [{type: route, gateway: 192.0.2.1}]", "destination is missing"},
		{"config: [{type: nameserver, address: a}]", `"a" is no IP address`},
		{"config: [{type: bond, name: b, bond_interfaces: [e], params: {bond-color: red}}]", "bond-color: this key is not known"},
	}
	for _, test := range tests {
		faults := parse(texts(map[string]string{"network-config": "version: 1\n" + test.text})).faults
		if len(faults) != 1 || !strings.HasPrefix(faults[0].Error(), "network-config") || !strings.Contains(faults[0].Error(), test.want) {
			t.Errorf("%q: got %v, want %q", test.text, faults, test.want)
		}
	}
}
