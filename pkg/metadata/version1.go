package main

import (
	"net"
	"net/netip"
	"slices"
	"strings"
)

// version1 reads the list `config` of a network-config of version 1, which Proxmox and others write (cloud-init's documentation,
// "Networking config Version 1").
func (w *wanted) version1(keys *fields) {
	given, found := keys.take("config")
	if !found {
		w.fault(keys.of.errorf("config is missing: the list of interfaces"))
		return
	}
	entries, err := given.list()
	w.fault(err)
	var later []func()
	for _, each := range entries {
		if err := w.entry1(each, &later); err != nil {
			w.fault(err)
		}
	}
	for _, each := range later { // routes name no interface: all have to be known
		each()
	}
	w.refuse(keys)
}

// entry1 reads one entry of the list.
func (w *wanted) entry1(at value, later *[]func()) error {
	keys, err := at.fields()
	if err != nil {
		return err
	}
	kind, err := taken(keys, "type", value.text)
	if err != nil {
		return err
	}
	switch kind {
	case "physical", "bond", "bridge", "vlan":
		w.interface1(kind, at, keys)
	case "nameserver":
		w.nameserver1(keys)
	case "route":
		*later = append(*later, func() { w.route1(at, keys) })
	case "loopback":
		w.loopback1(keys)
	default:
		return at.errorf("type: %q is not known to a node; physical, bond, bridge, vlan, nameserver, route and loopback are", kind)
	}
	return nil
}

func (w *wanted) interface1(kind string, at value, keys *fields) {
	var name string
	takeInto(w, keys, "name", &name, value.interfaceName)
	made := &netdev{at: at, id: name, name: name}
	mac := &made.setMAC
	if kind == "physical" {
		mac = &made.mac
	} else {
		made.virtual = &virtual{}
	}
	takeInto(w, keys, "mac_address", mac, value.mac)
	takeInto(w, keys, "mtu", &made.mtu, value.integer)
	switch kind {
	case "physical":
		if made.mac != "" { // it is found by that, and called so
			made.name, made.setName = "", name
		}
	case "bond":
		made.virtual.bond = newBond()
		w.parts1(made, keys, "bond_interfaces")
		if given, found := keys.take("params"); found {
			w.readBondParameters(made.virtual.bond, w.keysOf(given))
		}
	case "bridge":
		made.virtual.bridge = newBridge(false)
		w.parts1(made, keys, "bridge_interfaces")
		if given, found := keys.take("params"); found {
			w.readBridgeParameters(made.virtual.bridge, w.keysOf(given))
		}
	case "vlan":
		w.takeVLAN(made, keys, "vlan_id", "vlan_link")
	}
	if given, found := keys.take("subnets"); found {
		subnets, err := given.list()
		w.fault(err)
		for _, each := range subnets {
			w.subnet1(made, each)
		}
	}
	w.announced1(made, keys)
	for _, key := range []string{"keep_configuration", "wakeonlan"} {
		if given, found := keys.take(key); found {
			w.warn(given, "this node does nothing with it")
		}
	}
	w.refuse(keys)
	if name == "" {
		w.fault(at.errorf("name is missing"))
		return
	}
	w.netdevs = append(w.netdevs, made)
}

// announced1 takes accept-ra, which stands beside an interface's networks.
func (w *wanted) announced1(made *netdev, keys *fields) {
	given, found := keys.take("accept-ra")
	if !found {
		return
	}
	announced, err := given.boolean()
	w.fault(err)
	switch {
	case err != nil:
	case !announced && made.six == stateful:
		made.six = withoutRouters
	case announced && made.six == "":
		made.six = stateless
	case !announced:
		w.warn(given, kernelsOwn)
	}
}

func (w *wanted) parts1(made *netdev, keys *fields, key string) {
	if given, found := keys.take(key); found {
		listed, err := given.list()
		w.fault(err)
		made.virtual.names = listed
	}
}

// subnet1 reads what an interface has of one network.
func (w *wanted) subnet1(made *netdev, at value) {
	keys, err := at.fields()
	if err != nil {
		w.fault(err)
		return
	}
	var kind string
	takeInto(w, keys, "type", &kind, value.text)
	switch kind {
	case "dhcp", "dhcp4":
		made.dhcp = true
	case "static", "static4", "static6":
		w.static1(made, at, keys)
	case "manual":
		takeInto(w, keys, "optional", &made.optional, value.boolean)
	case "dhcp6", "ipv6_dhcpv6-stateful":
		made.six = stateful
	case "ipv6_dhcpv6-stateless", "ipv6_slaac":
		made.six = stateless
	default:
		w.fault(at.errorf("type: %q is not known to a node; dhcp, dhcp4, dhcp6, ipv6_slaac, static, static6 and manual are", kind))
	}
	for _, key := range []string{"broadcast", "control", "ipv4", "ipv6", "scope", "pointopoint"} {
		keys.take(key)
	}
	w.names1(made, keys, "dns_nameservers", "dns_search")
	w.refuse(keys)
}

// static1 reads an address with what belongs to it.
func (w *wanted) static1(made *netdev, at value, keys *fields) {
	prefix, err := address1(at, keys, "address")
	if err != nil {
		w.fault(err)
		return
	}
	made.addresses = append(made.addresses, address{Prefix: prefix})
	var gateway netip.Addr
	if takeInto(w, keys, "gateway", &gateway, value.address); gateway.IsValid() {
		made.routes = append(made.routes, route{to: everything(gateway), via: gateway})
	}
	given, found := keys.take("routes")
	if !found {
		return
	}
	made.routes = append(made.routes, eachOf(w, given, func(each value) (route, error) {
		inner, err := each.fields()
		if err != nil {
			return route{}, err
		}
		one, err := w.routeOf1(each, inner)
		if err == nil {
			w.refuse(inner)
		}
		return one, err
	})...)
}

// address1 reads an address, or a network, whose prefix may stand beside it as a mask. Without either it is of one host.
func address1(at value, keys *fields, key string) (netip.Prefix, error) {
	text, err := taken(keys, key, value.text)
	if err != nil {
		return netip.Prefix{}, err
	}
	mask, masked := keys.take("netmask")
	if prefix, err := netip.ParsePrefix(text); err == nil {
		return prefix, nil
	}
	found, err := netip.ParseAddr(text)
	if err != nil || found.Zone() != "" {
		return netip.Prefix{}, at.errorf("%s: %q is no address, such as 192.0.2.10 or 192.0.2.10/24", key, text)
	}
	bits := found.BitLen()
	if masked {
		if bits, err = mask.maskBits(found.Is4()); err != nil {
			return netip.Prefix{}, err
		}
	}
	return netip.PrefixFrom(found, bits), nil
}

// maskBits reads the length of a prefix, as a number or as a mask.
func (v value) maskBits(four bool) (int, error) {
	text, err := v.text()
	if err != nil {
		return 0, err
	}
	most := map[bool]int{true: 32, false: 128}[four]
	if mask := net.ParseIP(text); mask != nil {
		bytes := net.IPMask(mask)
		if four {
			bytes = net.IPMask(mask.To4())
		}
		if ones, bits := bytes.Size(); bits == most {
			return ones, nil
		}
	} else if bits, err := v.integer(); err == nil && bits <= most {
		return bits, nil
	}
	return 0, v.errorf("%q is no mask of a network, such as 255.255.255.0", text)
}

// routeOf1 reads a route, of an interface or of all.
func (w *wanted) routeOf1(at value, keys *fields) (route, error) {
	key := "destination"
	if _, given := keys.values["network"]; given {
		key = "network"
	}
	if _, given := keys.values[key]; !given {
		return route{}, at.errorf("destination is missing")
	}
	prefix, err := address1(at, keys, key)
	if err != nil {
		return route{}, err
	}
	made := route{to: prefix.Masked()}
	if made.via, err = taken(keys, "gateway", value.address); err != nil {
		return route{}, err
	}
	if made.metric, err = taken(keys, "metric", value.integer); err != nil {
		return route{}, err
	}
	return made, made.check(at)
}

// route1 reads an entry of the list that is a route: it goes with the interface on whose networks its gateway is.
func (w *wanted) route1(at value, keys *fields) {
	made, err := w.routeOf1(at, keys)
	if err != nil {
		w.fault(err)
		return
	}
	w.refuse(keys)
	for _, each := range w.netdevs {
		if slices.ContainsFunc(each.addresses, func(has address) bool { return has.Contains(made.via) }) {
			each.routes = append(each.routes, made)
			return
		}
	}
	w.fault(at.errorf("the gateway %s is on no network of an interface", made.via))
}

// nameserver1 reads name servers for the whole node: it has one list.
func (w *wanted) nameserver1(keys *fields) {
	keys.take("interface")
	w.names1(&w.everywhere, keys, "address", "search")
	w.refuse(keys)
}

// loopback1 reads the loopback interface, which has all that it needs but name servers.
func (w *wanted) loopback1(keys *fields) {
	keys.take("name")
	if given, found := keys.take("subnets"); found {
		for _, each := range eachOf(w, given, value.fields) {
			w.names1(&w.everywhere, each, "dns_nameservers", "dns_search")
		}
	}
}

// names1 reads name servers and search domains, each a list or a single text, which may have several words.
func (w *wanted) names1(into *netdev, keys *fields, servers, search string) {
	if given, found := keys.take(servers); found {
		texts, err := given.textOrTexts()
		w.fault(err)
		for _, text := range strings.Fields(strings.Join(texts, " ")) {
			server, err := netip.ParseAddr(text)
			if err != nil {
				w.fault(given.errorf("%q is no IP address", text))
				continue
			}
			into.nameservers = append(into.nameservers, server)
		}
	}
	if given, found := keys.take(search); found {
		texts, err := given.textOrTexts()
		w.fault(err)
		into.search = append(into.search, strings.Fields(strings.Join(texts, " "))...)
	}
}
