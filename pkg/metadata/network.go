package main

import (
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
)

// ethernet is one entry of `ethernets` in a network-config of version 2 (cloud-init's documentation, "Networking config
// Version 2", and netplan's reference).
type ethernet struct {
	at          value
	id          string
	mac         string // as net.HardwareAddr writes it; empty if it does not count
	name        string // the interface's name, which may have wildcards
	driver      string
	setName     string
	optional    bool
	dhcp        bool
	mtu         int
	addresses   []netip.Prefix
	routes      []route
	nameservers []netip.Addr
	search      []string
}

// route is one route; `via` is the zero value for what is on the link itself.
type route struct {
	to     netip.Prefix
	via    netip.Addr
	metric int
	onLink bool
}

func (r route) String() string {
	text := r.to.String()
	if r.via.IsValid() {
		text += " via " + r.via.String()
	}
	return text
}

// String tells what the interface gets.
func (e *ethernet) String() string {
	var parts []string
	if e.dhcp {
		parts = append(parts, "DHCP")
	}
	for _, address := range e.addresses {
		parts = append(parts, address.String())
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
func (e *ethernet) leftToDHCP() bool {
	return e.dhcp && e.setName == "" && e.mtu == 0 && e.addresses == nil && e.routes == nil
}

// Keys of an ethernet that make no difference on a node, or none to IPv4; the node has no other DHCP than that.
var harmless = []string{
	"accept-ra", "critical", "dhcp-identifier", "dhcp4-overrides", "dhcp6", "dhcp6-overrides", "emit-lldp", "ipv6-privacy",
	"link-local", "optional-addresses", "renderer", "wakeonlan",
}

// networkConfig reads network-config. What is not understood there is a mistake, since the node would be on another network
// than its author thinks.
func (w *wanted) networkConfig(file string, text []byte) error {
	keys, err := mapping(file, text)
	if err != nil || keys == nil {
		return err
	}
	if wrapped, given := keys.take("network"); given {
		if err := refuse(keys); err != nil {
			return err
		}
		if keys, err = wrapped.fields(); err != nil {
			return err
		}
	}
	if version, _ := taken(keys, "version", value.integer); version != 2 {
		return keys.of.errorf("version: 2 is needed here; a node knows no other")
	}
	keys.take("renderer")
	ethernets, given := keys.take("ethernets")
	if err := refuse(keys); err != nil || !given {
		return err
	}
	return w.takeEthernets(ethernets)
}

// refuse tells of a key that is not known.
func refuse(keys *fields) error {
	for _, each := range keys.rest() {
		return each.errorf("this key is not known to a node")
	}
	return nil
}

func (w *wanted) takeEthernets(at value) error {
	named, err := at.fields()
	if err != nil {
		return err
	}
	for i, each := range named.rest() {
		made, err := w.readEthernet(named.names[i], each)
		if err != nil {
			return err
		}
		w.ethernets = append(w.ethernets, made)
	}
	return w.checkRoutes()
}

// checkRoutes finds routes of which only one could be there.
func (w *wanted) checkRoutes() error {
	type key struct {
		to     netip.Prefix
		metric int
	}
	seen := map[key]string{}
	for _, each := range w.ethernets {
		for _, route := range each.routes {
			before, twice := seen[key{route.to, route.metric}]
			if twice {
				return each.at.errorf("the route to %s is there twice with the same metric; see %s", route.to, before)
			}
			seen[key{route.to, route.metric}] = each.id
		}
	}
	return nil
}

// reader keeps the first error, so that keys can be read one after another.
type reader struct {
	keys *fields
	err  error
}

func read[T any](r *reader, key string, into *T, parse func(value) (T, error)) {
	if r.err == nil {
		var made T
		if made, r.err = taken(r.keys, key, parse); r.err == nil {
			*into = made
		}
	}
}

// end gives the first mistake; a key that was not read is one.
func (r *reader) end() error {
	if r.err != nil {
		return r.err
	}
	return refuse(r.keys)
}

func (w *wanted) readEthernet(id string, at value) (*ethernet, error) {
	made := &ethernet{at: at, id: id, name: id}
	if at.isNull() {
		return made, nil
	}
	keys, err := at.fields()
	if err != nil {
		return nil, err
	}
	if match, given := keys.take("match"); given {
		if err := made.readMatch(match); err != nil {
			return nil, err
		}
	}
	r := &reader{keys: keys}
	read(r, "set-name", &made.setName, value.interfaceName)
	read(r, "optional", &made.optional, value.boolean)
	read(r, "dhcp4", &made.dhcp, value.boolean)
	read(r, "mtu", &made.mtu, value.integer)
	read(r, "addresses", &made.addresses, value.addresses)
	read(r, "routes", &made.routes, value.routes)
	for _, key := range []string{"gateway4", "gateway6"} {
		var gateway netip.Addr
		if read(r, key, &gateway, value.address); gateway.IsValid() {
			made.routes = append(made.routes, route{to: everything(gateway), via: gateway})
		}
	}
	if servers, given := keys.take("nameservers"); given && r.err == nil {
		r.err = made.readNameservers(servers)
	}
	for _, key := range harmless {
		if given, found := keys.take(key); found {
			w.warn(given, "this node does nothing with it")
		}
	}
	return made, r.end()
}

func (e *ethernet) readMatch(at value) error {
	keys, err := at.fields()
	if err != nil {
		return err
	}
	e.name = ""
	r := &reader{keys: keys}
	read(r, "macaddress", &e.mac, value.mac)
	read(r, "name", &e.name, value.text)
	read(r, "driver", &e.driver, value.text)
	if err := r.end(); err != nil {
		return err
	}
	if e.mac == "" && e.name == "" && e.driver == "" {
		return at.errorf("macaddress, name or driver is needed here")
	}
	return nil
}

func (e *ethernet) readNameservers(at value) error {
	keys, err := at.fields()
	if err != nil {
		return err
	}
	r := &reader{keys: keys}
	read(r, "addresses", &e.nameservers, value.addressList)
	read(r, "search", &e.search, value.texts)
	return r.end()
}

func (v value) mac() (string, error) {
	text, err := v.text()
	if err != nil {
		return "", err
	}
	mac, err := net.ParseMAC(text)
	if err != nil {
		return "", v.errorf("%q is no hardware address, such as 52:54:00:12:34:56", text)
	}
	return mac.String(), nil
}

// interfaceName takes what Linux takes (dev_valid_name in net/core/dev.c).
func (v value) interfaceName() (string, error) {
	name, err := v.text()
	if err != nil {
		return "", err
	}
	if name == "" || name == "." || name == ".." || len(name) > 15 || strings.ContainsAny(name, "/: \t\n") {
		return "", v.errorf("%q is no name for an interface: it has 1 to 15 characters, none of them a slash, colon or space", name)
	}
	return name, nil
}

func (v value) address() (netip.Addr, error) {
	text, err := v.text()
	if err != nil {
		return netip.Addr{}, err
	}
	address, err := netip.ParseAddr(text)
	if err != nil || address.Zone() != "" {
		return netip.Addr{}, v.errorf("%q is no IP address", text)
	}
	return address, nil
}

func (v value) addressList() ([]netip.Addr, error) { return eachOf(v, value.address) }

// addresses reads addresses with the lengths of their networks' prefixes.
func (v value) addresses() ([]netip.Prefix, error) {
	return eachOf(v, func(at value) (netip.Prefix, error) {
		text, err := at.text()
		if err != nil {
			return netip.Prefix{}, err
		}
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			return netip.Prefix{}, at.errorf("%q is no address with its prefix, such as 192.0.2.10/24", text)
		}
		return prefix, nil
	})
}

func eachOf[T any](at value, read func(value) (T, error)) ([]T, error) {
	all, err := at.list()
	var made []T
	for _, each := range all {
		one, err := read(each)
		if err != nil {
			return nil, err
		}
		made = append(made, one)
	}
	return made, err
}

func (v value) routes() ([]route, error) { return eachOf(v, value.route) }

func (v value) route() (route, error) {
	var made route
	keys, err := v.fields()
	if err != nil {
		return made, err
	}
	var to string
	r := &reader{keys: keys}
	read(r, "to", &to, value.text)
	read(r, "via", &made.via, value.address)
	read(r, "metric", &made.metric, value.integer)
	read(r, "on-link", &made.onLink, value.boolean)
	if err := r.end(); err != nil {
		return made, err
	}
	made.to, err = destination(to, made.via)
	switch {
	case err != nil:
		return made, v.errorf("to: %v", err)
	case made.via.IsValid() && made.via.Is4() != made.to.Addr().Is4():
		return made, v.errorf("to and via are not of the same family")
	case !made.via.IsValid() && made.to.Bits() == 0:
		return made, v.errorf("via is missing")
	}
	return made, nil
}

// destination reads a network, a single address, or "default", whose family is that of the gateway.
func destination(text string, via netip.Addr) (netip.Prefix, error) {
	if text == "default" && via.IsValid() {
		return everything(via), nil
	}
	if address, err := netip.ParseAddr(text); err == nil {
		return address.Prefix(address.BitLen())
	}
	prefix, err := netip.ParsePrefix(text)
	if err != nil || prefix != prefix.Masked() {
		return netip.Prefix{}, fmt.Errorf("%q is no network, such as 192.0.2.0/24, and not \"default\" with a gateway", text)
	}
	return prefix, nil
}

// everything is the network of the default route of the address's family.
func everything(of netip.Addr) netip.Prefix {
	if of.Is4() {
		return netip.PrefixFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.PrefixFrom(netip.IPv6Unspecified(), 0)
}

// resolvConf is the start of the node's resolv.conf, or nothing if no name servers are given.
func resolvConf(ethernets []*ethernet) string {
	var servers, search []string
	for _, each := range ethernets {
		for _, server := range each.nameservers {
			if line := "nameserver " + server.String() + "\n"; !slices.Contains(servers, line) {
				servers = append(servers, line)
			}
		}
		for _, domain := range each.search {
			if !slices.Contains(search, domain) {
				search = append(search, domain)
			}
		}
	}
	text := strings.Join(servers, "")
	if search != nil {
		text = "search " + strings.Join(search, " ") + "\n" + text
	}
	return text
}
