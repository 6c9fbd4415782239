package main

import (
	"fmt"
	"net"
	"net/netip"
	"strings"

	"golang.org/x/sys/unix"
)

// address is one address of an interface with its network; netplan lets it be deprecated (lifetime 0) and have a label.
type address struct {
	netip.Prefix
	label      string
	deprecated bool
}

// route is one route; `via` is the zero value for what is on the link itself. The zero values of the others are the kernel's.
type route struct {
	to                netip.Prefix
	via, from         netip.Addr
	metric, mtu       int
	table, scope, way int
	onLink            bool
}

func (r route) String() string {
	text := r.to.String()
	if r.via.IsValid() {
		text += " via " + r.via.String()
	}
	if r.table != 0 {
		text += fmt.Sprintf(" in table %d", r.table)
	}
	return text
}

// prefix reads an address with the length of its network's prefix, which may be the one key of a mapping with options.
func (v value) prefix() (address, error) {
	if !v.isMap() {
		text, err := v.text()
		if err != nil {
			return address{}, err
		}
		return v.parsePrefix(text)
	}
	named, err := v.fields()
	if err != nil {
		return address{}, err
	}
	if len(named.names) != 1 {
		return address{}, v.errorf("one address with its options is expected here")
	}
	made, err := v.parsePrefix(named.names[0])
	if err != nil || named.rest()[0].isNull() {
		return made, err
	}
	return made, made.readOptions(named.rest()[0])
}

func (v value) parsePrefix(text string) (address, error) {
	prefix, err := netip.ParsePrefix(text)
	if err != nil {
		return address{}, v.errorf("%q is no address with its prefix, such as 192.0.2.10/24", text)
	}
	return address{Prefix: prefix}, nil
}

func (a *address) readOptions(at value) error {
	keys, err := at.fields()
	if err != nil {
		return err
	}
	if a.label, err = taken(keys, "label", value.label); err != nil {
		return err
	}
	lifetime, err := taken(keys, "lifetime", value.text)
	if err != nil {
		return err
	}
	if lifetime != "" && lifetime != "forever" && lifetime != "0" {
		return at.errorf("lifetime: %q is neither forever nor 0", lifetime)
	}
	a.deprecated = lifetime == "0"
	return keys.unknown()
}

// label takes what the kernel does: 15 characters.
func (v value) label() (string, error) {
	text, err := v.text()
	if err == nil && len(text) > 15 {
		err = v.errorf("%q is no label: it has no more than 15 characters", text)
	}
	return text, err
}

// unknown gives a mistake for the first key that nobody asked for.
func (f *fields) unknown() error {
	for _, each := range f.rest() {
		return each.errorf("this key is not known to a node")
	}
	return nil
}

// Names of scopes and types of routes, as netplan has them.
var (
	scopes = map[string]int{"global": unix.RT_SCOPE_UNIVERSE, "link": unix.RT_SCOPE_LINK, "host": unix.RT_SCOPE_HOST}
	ways   = map[string]int{
		"unicast": unix.RTN_UNICAST, "unreachable": unix.RTN_UNREACHABLE, "blackhole": unix.RTN_BLACKHOLE, "prohibit": unix.RTN_PROHIBIT,
	}
)

func oneOf(names map[string]int) func(value) (int, error) {
	return func(at value) (int, error) {
		text, err := at.text()
		if err != nil {
			return 0, err
		}
		number, known := names[text]
		if !known {
			return 0, at.errorf("%q is not known here", text)
		}
		return number, nil
	}
}

func (w *wanted) readRoute(at value) (route, error) {
	keys, err := at.fields()
	if err != nil {
		return route{}, err
	}
	made, before := route{}, len(w.faults)
	var to string
	takeInto(w, keys, "to", &to, value.text)
	takeInto(w, keys, "via", &made.via, value.address)
	takeInto(w, keys, "from", &made.from, value.address)
	takeInto(w, keys, "metric", &made.metric, value.integer)
	takeInto(w, keys, "mtu", &made.mtu, value.integer)
	takeInto(w, keys, "table", &made.table, value.integer)
	takeInto(w, keys, "scope", &made.scope, oneOf(scopes))
	takeInto(w, keys, "type", &made.way, oneOf(ways))
	takeInto(w, keys, "on-link", &made.onLink, value.boolean)
	w.refuse(keys)
	if len(w.faults) > before { // the route would be another one
		last := w.faults[len(w.faults)-1]
		w.faults = w.faults[:len(w.faults)-1]
		return made, last
	}
	if made.to, err = destination(to, made.via); err != nil {
		return made, at.errorf("to: %v", err)
	}
	if masked := made.to.Masked(); masked != made.to {
		w.warn(at, "to: %s is an address in the network %s, which is taken", made.to, masked)
		made.to = masked
	}
	return made, made.check(at)
}

func (r route) check(at value) error {
	unicast := r.way == 0 || r.way == unix.RTN_UNICAST
	switch {
	case r.via.IsValid() && r.via.Is4() != r.to.Addr().Is4():
		return at.errorf("to and via are not of the same family")
	case !r.via.IsValid() && r.to.Bits() == 0 && unicast && r.scope != unix.RT_SCOPE_LINK:
		return at.errorf("via is missing")
	}
	return nil
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
	if err != nil {
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

func (v value) interfaceName() (string, error) {
	name, err := v.text()
	if err == nil {
		if wrong := checkInterfaceName(name); wrong != nil {
			err = v.errorf("%v", wrong)
		}
	}
	return name, err
}

// checkInterfaceName takes what Linux takes (dev_valid_name in net/core/dev.c).
func checkInterfaceName(name string) error {
	if name == "" || name == "." || name == ".." || len(name) > 15 || strings.ContainsAny(name, "/: \t\n") {
		return fmt.Errorf("%q is no name for an interface: it has 1 to 15 characters, none of them a slash, colon or space", name)
	}
	return nil
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
