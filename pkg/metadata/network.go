package main

import (
	"net/netip"
	"slices"
)

// networkConfig reads network-config. What is not understood there is a fault, since the node would be on another network than its
// author thinks.
func (w *wanted) networkConfig(file string, text []byte) {
	keys := w.mapping(file, text)
	if keys == nil {
		return
	}
	if wrapped, given := keys.take("network"); given {
		w.refuse(keys)
		inner, err := wrapped.fields()
		if err != nil {
			w.fault(err)
			return
		}
		keys = inner
	}
	if leftAlone(keys) {
		return
	}
	switch w.version(keys) {
	case 1:
		w.version1(keys)
	case 2:
		w.version2(keys)
	}
	w.assemble()
	w.checkRoutes()
}

func (w *wanted) version2(keys *fields) {
	keys.take("renderer")
	for _, section := range []struct {
		name string
		read func(string, value) *netdev
	}{{"ethernets", w.readEthernet}, {"bonds", w.readBond}, {"bridges", w.readBridge}, {"vlans", w.readVLAN}} {
		if given, found := keys.take(section.name); found {
			w.takeSection(given, section.read)
		}
	}
	w.refuse(keys)
}

// leftAlone says whether the author wants nothing to be configured: cloud-init's {config: disabled}.
func leftAlone(keys *fields) bool {
	given, found := keys.values["config"]
	if !found {
		return false
	}
	text, err := given.text()
	return err == nil && text == "disabled"
}

// version is that of the file, 1 or 2; 0 for what is none.
func (w *wanted) version(keys *fields) int {
	given, found := keys.take("version")
	if !found {
		w.fault(keys.of.errorf("version is missing: a node knows version: 1 and version: 2"))
		return 0
	}
	version, err := given.integer()
	if err == nil && (version == 1 || version == 2) {
		return version
	}
	text, _ := given.text()
	w.fault(given.errorf("a node doesn't know version %s of network-config; it knows versions 1 and 2", text))
	return 0
}

func (w *wanted) takeSection(at value, read func(string, value) *netdev) {
	named, err := at.fields()
	if err != nil {
		w.fault(err)
		return
	}
	for i, each := range named.rest() {
		if made := read(named.names[i], each); made != nil {
			w.netdevs = append(w.netdevs, made)
		}
	}
}

// checkRoutes finds routes of which only one could be there, and leaves the first.
func (w *wanted) checkRoutes() {
	type key struct {
		to            netip.Prefix
		metric, table int
	}
	seen := map[key]string{}
	for _, each := range w.netdevs {
		each.routes = slices.DeleteFunc(each.routes, func(route route) bool {
			this := key{route.to, route.metric, route.table}
			before, twice := seen[this]
			if twice {
				w.fault(each.at.errorf("the route to %s is there twice with the same metric; see %s", route.to, before))
			} else {
				seen[this] = each.id
			}
			return twice
		})
	}
}
