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
	if leftAlone(keys) || !w.checkVersion(keys) {
		return
	}
	keys.take("renderer")
	if ethernets, given := keys.take("ethernets"); given {
		w.takeEthernets(ethernets)
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

func (w *wanted) checkVersion(keys *fields) bool {
	given, found := keys.take("version")
	if !found {
		w.fault(keys.of.errorf("version is missing; version: 2 is what a node knows"))
		return false
	}
	version, err := given.integer()
	if err == nil && version == 2 {
		return true
	}
	text, _ := given.text()
	w.fault(given.errorf("a node doesn't know version %s of network-config; it knows version 2", text))
	return false
}

func (w *wanted) takeEthernets(at value) {
	named, err := at.fields()
	if err != nil {
		w.fault(err)
		return
	}
	for i, each := range named.rest() {
		if made := w.readEthernet(named.names[i], each); made != nil {
			w.ethernets = append(w.ethernets, made)
		}
	}
	w.checkRoutes()
}

// checkRoutes finds routes of which only one could be there, and leaves the first.
func (w *wanted) checkRoutes() {
	type key struct {
		to            netip.Prefix
		metric, table int
	}
	seen := map[key]string{}
	for _, each := range w.ethernets {
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
