package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// networkData is OpenStack's network_data.json (Nova's documentation, "Metadata service", and its schema in nova/virt/netutils.py).
type networkData struct {
	Links    []driveLink
	Networks []driveNetwork
	Services []driveService
}

type driveLink struct {
	ID, Type string
	MAC      string   `json:"ethernet_mac_address"`
	MTU      int      `json:"mtu"`
	Parts    []string `json:"bond_links"`
	Mode     string   `json:"bond_mode"`
	Monitor  int      `json:"bond_miimon"`
	Policy   string   `json:"bond_xmit_hash_policy"`
	VLAN     int      `json:"vlan_id"`
	Below    string   `json:"vlan_link"`
	VLANMAC  string   `json:"vlan_mac_address"`
}

type driveNetwork struct {
	Link, Type       string
	Address          string `json:"ip_address"`
	Netmask, Gateway string
	Routes           []struct{ Network, Netmask, Gateway string }
	Services         []driveService
	Servers          []string `json:"dns_nameservers"`
}

type driveService struct{ Type, Address string }

// network2 is a network-config of version 2.
type network2 struct {
	Version   int               `json:"version"`
	Ethernets map[string]*link2 `json:"ethernets,omitempty"`
	Bonds     map[string]*link2 `json:"bonds,omitempty"`
	VLANs     map[string]*link2 `json:"vlans,omitempty"`
	by        map[string]*link2 // by the ids of network_data.json
	names     map[string]string // likewise, of what they are called here
}

type link2 struct {
	Match      map[string]string `json:"match,omitempty"`
	MAC        string            `json:"macaddress,omitempty"`
	MTU        int               `json:"mtu,omitempty"`
	Interfaces []string          `json:"interfaces,omitempty"`
	Parameters map[string]any    `json:"parameters,omitempty"`
	ID         int               `json:"id,omitempty"`
	Link       string            `json:"link,omitempty"`
	DHCP4      bool              `json:"dhcp4,omitempty"`
	DHCP6      bool              `json:"dhcp6,omitempty"`
	Announced  bool              `json:"accept-ra,omitempty"`
	Addresses  []string          `json:"addresses,omitempty"`
	Routes     []route2          `json:"routes,omitempty"`
	Servers    *servers2         `json:"nameservers,omitempty"`
}

type route2 struct {
	To  string `json:"to"`
	Via string `json:"via,omitempty"`
}

type servers2 struct {
	Addresses []string `json:"addresses"`
}

// readNetworkData gives a network_data.json as a network-config of version 2. A card is found by its address and keeps its name.
func readNetworkData(text []byte) (network2, error) {
	var found networkData
	if err := json.Unmarshal(text, &found); err != nil {
		return network2{}, err
	}
	made := network2{
		Version: 2, Ethernets: map[string]*link2{}, Bonds: map[string]*link2{}, VLANs: map[string]*link2{},
		by: map[string]*link2{}, names: map[string]string{},
	}
	if err := made.links(found.Links); err != nil {
		return network2{}, err
	}
	everywhere := addressesOf(found.Services)
	for number, each := range found.Networks {
		link, known := made.by[each.Link]
		if !known {
			return network2{}, fmt.Errorf("networks[%d]: there is no link %q", number, each.Link)
		}
		if err := link.join(each, everywhere); err != nil {
			return network2{}, fmt.Errorf("networks[%d]: %w", number, err)
		}
	}
	return made, nil
}

// links takes the links, first by their names: one may be made of others that come later.
func (n *network2) links(all []driveLink) error {
	for number, each := range all {
		if err := n.name(each); err != nil {
			return fmt.Errorf("links[%d]: %w", number, err)
		}
	}
	for number, each := range all {
		if err := n.compose(each); err != nil {
			return fmt.Errorf("links[%d]: %w", number, err)
		}
	}
	return nil
}

// name gives a link its place and its name here.
func (n *network2) name(link driveLink) error {
	if _, twice := n.by[link.ID]; link.ID == "" || twice {
		return fmt.Errorf("its id %q is missing, or that of another", link.ID)
	}
	made, name, section := &link2{MTU: link.MTU}, link.ID, n.Ethernets
	switch link.Type {
	case "bond":
		name, section = fmt.Sprintf("bond%d", len(n.Bonds)), n.Bonds
	case "vlan":
		name, section = fmt.Sprintf("vlan%d", link.VLAN), n.VLANs
	default:
		if link.MAC == "" {
			return fmt.Errorf("a link of the type %q needs ethernet_mac_address", link.Type)
		}
		made.Match = map[string]string{"macaddress": strings.ToLower(link.MAC)}
	}
	if _, twice := section[name]; twice {
		return fmt.Errorf("there is a second %s", name)
	}
	section[name], n.by[link.ID], n.names[link.ID] = made, made, name
	return nil
}

// compose fills in what a link is made of.
func (n *network2) compose(link driveLink) error {
	made := n.by[link.ID]
	switch link.Type {
	case "bond":
		made.MAC, made.Parameters = strings.ToLower(link.MAC), link.parameters()
		for _, part := range link.Parts {
			name, known := n.names[part]
			if !known {
				return fmt.Errorf("there is no link %q", part)
			}
			made.Interfaces = append(made.Interfaces, name)
		}
	case "vlan":
		name, known := n.names[link.Below]
		if !known {
			return fmt.Errorf("there is no link %q", link.Below)
		}
		made.ID, made.Link, made.MAC = link.VLAN, name, strings.ToLower(link.VLANMAC)
	}
	return nil
}

// parameters are a bond's, by their names in a network-config.
func (l driveLink) parameters() map[string]any {
	found := map[string]any{}
	for key, value := range map[string]string{"mode": l.Mode, "transmit-hash-policy": l.Policy} {
		if value != "" {
			found[key] = value
		}
	}
	if l.Monitor > 0 {
		found["mii-monitor-interval"] = l.Monitor
	}
	return found
}

// join adds a network to its link.
func (l *link2) join(network driveNetwork, everywhere []string) error {
	switch network.Type {
	case "ipv4_dhcp":
		l.DHCP4 = true
	case "ipv6_dhcp", "ipv6_dhcpv6-stateful":
		l.DHCP6 = true
	case "ipv6_slaac", "ipv6_dhcpv6-stateless":
		l.Announced = true
	case "ipv4", "ipv6":
		address, err := prefixed(network.Address, network.Netmask)
		if err != nil {
			return err
		}
		l.Addresses = append(l.Addresses, address)
	default:
		return fmt.Errorf("type: %q is not known to a node", network.Type)
	}
	if network.Gateway != "" {
		l.Routes = append(l.Routes, route2{defaultOf(network.Gateway), network.Gateway})
	}
	for _, each := range network.Routes {
		to, err := prefixed(each.Network, each.Netmask)
		if err != nil {
			return fmt.Errorf("routes: %w", err)
		}
		if each := (route2{to, each.Gateway}); !slices.Contains(l.Routes, each) {
			l.Routes = append(l.Routes, each)
		}
	}
	for _, address := range slices.Concat(network.Servers, addressesOf(network.Services), everywhere) {
		if l.Servers == nil {
			l.Servers = &servers2{}
		}
		if !slices.Contains(l.Servers.Addresses, address) {
			l.Servers.Addresses = append(l.Servers.Addresses, address)
		}
	}
	return nil
}

func defaultOf(gateway string) string {
	if strings.Contains(gateway, ":") {
		return "::/0"
	}
	return "0.0.0.0/0"
}

func addressesOf(services []driveService) (found []string) {
	for _, each := range services {
		if each.Type == "dns" {
			found = append(found, each.Address)
		}
	}
	return found
}

// prefixed gives ADDRESS/BITS of an address that has its bits already, or of its mask.
func prefixed(address, mask string) (string, error) {
	if strings.Contains(address, "/") {
		return address, nil
	}
	parsed, err := netip.ParseAddr(mask)
	if err != nil {
		return "", fmt.Errorf("%s: the netmask %q is none", address, mask)
	}
	bits, size := net.IPMask(parsed.AsSlice()).Size()
	if size == 0 {
		return "", fmt.Errorf("%s: the netmask %q is none", address, mask)
	}
	return fmt.Sprintf("%s/%d", address, bits), nil
}

func sortedValues(of map[string]string) (found []string) {
	for _, key := range slices.Sorted(maps.Keys(of)) {
		found = append(found, of[key])
	}
	return found
}
