package main

import (
	"fmt"
	"net/netip"
	"strings"
)

// netdev is a network interface as a network-config has it: a card of the node's, or one that is made of others (cloud-init's
// documentation, "Networking config Version 1" and "Version 2", and netplan's reference).
type netdev struct {
	at          value
	id          string
	virtual     *virtual // nil for a card
	partOf      *netdev  // the bond or bridge that has it
	mac         string   // as net.HardwareAddr writes it; empty if it does not count
	name        string   // the interface's name, which may have wildcards
	drivers     []string // any of them, which may have wildcards
	setName     string
	setMAC      string
	optional    bool
	dhcp        bool
	six         six // how it gets addresses of IPv6 besides those that are given
	mtu         int
	addresses   []address
	routes      []route
	nameservers []netip.Addr
	search      []string
}

// String tells what the interface gets.
func (e *netdev) String() string {
	var parts []string
	if e.virtual != nil {
		parts = append(parts, e.virtual.String())
	}
	if e.partOf != nil {
		return strings.Join(append(parts, "part of "+e.partOf.id), ", ")
	}
	if e.dhcp {
		parts = append(parts, "DHCP")
	}
	if e.six != "" {
		parts = append(parts, e.six.String())
	}
	for _, address := range e.addresses {
		parts = append(parts, address.String())
	}
	if e.setMAC != "" {
		parts = append(parts, "hardware address "+e.setMAC)
	}
	if e.mtu != 0 {
		parts = append(parts, fmt.Sprintf("MTU %d", e.mtu))
	}
	for _, route := range e.routes {
		parts = append(parts, "route "+route.String())
	}
	if parts == nil {
		parts = append(parts, "no address")
	}
	return strings.Join(parts, ", ")
}

// leftToDHCP says whether there is nothing to do for it but what the DHCP client does anyway.
func (e *netdev) leftToDHCP() bool {
	return e.dhcp && e.virtual == nil && e.setName == "" && e.setMAC == "" && e.mtu == 0 && e.addresses == nil && e.routes == nil
}

// Keys of an interface that make no difference on a node.
var harmless = []string{
	"critical", "dhcp-identifier", "emit-lldp", "ipv6-privacy", "link-local", "optional-addresses", "renderer",
	"wakeonlan",
}

// readEthernet reads one entry of `ethernets`; nil if nobody can tell which interface it is for. What is wrong within is left out.
func (w *wanted) readEthernet(id string, at value) *netdev {
	made := &netdev{at: at, id: id, name: id}
	keys := w.keysOf(at)
	if keys == nil {
		return nil
	}
	if match, given := keys.take("match"); given && !w.readMatch(made, match) {
		return nil
	}
	takeInto(w, keys, "set-name", &made.setName, value.interfaceName)
	w.readCommon(made, keys)
	return made
}

// keysOf are the keys of an entry, which may have none; nil for what is no entry.
func (w *wanted) keysOf(at value) *fields {
	if at.isNull() {
		return &fields{of: at, values: map[string]value{}}
	}
	keys, err := at.fields()
	if err != nil {
		w.fault(err)
		return nil
	}
	return keys
}

// readCommon reads what interfaces of every kind can have, and tells of what else is there.
func (w *wanted) readCommon(made *netdev, keys *fields) {
	takeInto(w, keys, "macaddress", &made.setMAC, value.mac)
	takeInto(w, keys, "optional", &made.optional, value.boolean)
	takeInto(w, keys, "mtu", &made.mtu, value.integer)
	w.readAddresses(made, keys)
	w.readDHCP(made, keys)
	if servers, given := keys.take("nameservers"); given {
		w.readNameservers(made, servers)
	}
	for _, key := range harmless {
		if given, found := keys.take(key); found {
			w.warn(given, "this node does nothing with it")
		}
	}
	w.refuse(keys)
}

// readMatch says whether it can be told which interface is meant.
func (w *wanted) readMatch(made *netdev, at value) bool {
	keys, err := at.fields()
	if err != nil {
		w.fault(err)
		return false
	}
	before := len(w.faults)
	made.name = ""
	takeInto(w, keys, "macaddress", &made.mac, value.mac)
	takeInto(w, keys, "name", &made.name, value.text)
	takeInto(w, keys, "driver", &made.drivers, value.textOrTexts)
	w.refuse(keys)
	if len(w.faults) == before && made.mac == "" && made.name == "" && made.drivers == nil {
		w.fault(at.errorf("macaddress, name or driver is needed here"))
	}
	return len(w.faults) == before
}

func (w *wanted) readAddresses(made *netdev, keys *fields) {
	if given, found := keys.take("addresses"); found {
		made.addresses = eachOf(w, given, value.prefix)
	}
	if given, found := keys.take("routes"); found {
		made.routes = eachOf(w, given, w.readRoute)
	}
	for _, key := range []string{"gateway4", "gateway6"} {
		var gateway netip.Addr
		if takeInto(w, keys, key, &gateway, value.address); gateway.IsValid() {
			made.routes = append(made.routes, route{to: everything(gateway), via: gateway})
		}
	}
}

// readDHCP takes dhcp4, dhcp6 and accept-ra. A node gives its DHCP client no other ways than its own: where that makes another network
// of it, it is a fault.
func (w *wanted) readDHCP(made *netdev, keys *fields) {
	takeInto(w, keys, "dhcp4", &made.dhcp, value.boolean)
	asks, announced := false, true
	takeInto(w, keys, "dhcp6", &asks, value.boolean)
	routers, given := keys.take("accept-ra")
	if given && !routers.isNull() {
		var err error
		announced, err = routers.boolean()
		w.fault(err)
	}
	switch {
	case asks && announced:
		made.six = stateful
	case asks:
		made.six = withoutRouters
	case given && announced && !routers.isNull():
		made.six = stateless
	case !announced:
		w.warn(routers, kernelsOwn)
	}
	if overrides, given := keys.take("dhcp4-overrides"); given {
		w.checkOverrides(overrides, made.dhcp)
	}
	if overrides, given := keys.take("dhcp6-overrides"); given {
		w.warn(overrides, "this node does nothing with it")
	}
}

// theClients are the keys of dhcp4-overrides with what a node's DHCP client does; another value there changes the node's network.
var theClients = map[string]bool{"use-dns": true, "use-routes": true, "use-domains": true, "use-mtu": true}

func (w *wanted) checkOverrides(at value, dhcp bool) {
	keys, err := at.fields()
	if err != nil {
		w.fault(err)
		return
	}
	for i, each := range keys.rest() {
		name := keys.names[i]
		does, known := theClients[name]
		wish, err := each.boolean()
		switch {
		case dhcp && known && err != nil && !each.isNull():
			w.fault(err)
		case dhcp && known && wish != does && !each.isNull(), dhcp && name == "route-metric":
			w.fault(each.errorf("a node's DHCP client can't be told this"))
		default:
			w.warn(each, "this node does nothing with it")
		}
	}
}

// six is how the DHCP client gets addresses of IPv6 for an interface; its text is what dhcpcd.sh finds. Without any the kernel alone
// makes addresses of what routers announce.
type six string

const kernelsOwn = "the node's kernel takes routers' announcements all the same"

const (
	stateful       six = "dhcp"      // by routers' announcements, and by DHCP where these say so (RFC 4861, flags M and O)
	stateless      six = "slaac"     // by announcements alone
	withoutRouters six = "dhcp-only" // by DHCP, whatever routers say
)

func (s six) String() string {
	return map[six]string{stateful: "DHCPv6 and SLAAC", stateless: "SLAAC", withoutRouters: "DHCPv6"}[s]
}

func (w *wanted) readNameservers(made *netdev, at value) {
	keys, err := at.fields()
	if err != nil {
		w.fault(err)
		return
	}
	if given, found := keys.take("addresses"); found {
		made.nameservers = eachOf(w, given, value.address)
	}
	takeInto(w, keys, "search", &made.search, value.texts)
	w.refuse(keys)
}
