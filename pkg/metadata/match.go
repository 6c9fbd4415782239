package main

import (
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"kubeiso.dev/pkg/initrd/cpu"
)

// link is a network interface that is there.
type link struct {
	name, mac, driver string
	// alternative are names of other schemes that mean it.
	alternative []string
	// plain says whether it is a card of its own: it has a device, and is part of no other interface.
	plain bool
}

// await gives the interfaces' names for each ethernet, once there is one for each; and what is wrong when time is over.
func await(on host, netdevs []*netdev, timeout time.Duration) (matched map[*netdev][]string, present []link, faults []error) {
	for begin := time.Now(); ; time.Sleep(linkPause) {
		links, err := on.links()
		if err != nil {
			return nil, nil, []error{fmt.Errorf("listing the network interfaces: %w", err)}
		}
		matched, faults := match(netdevs, links)
		if faults == nil || cpu.Over(begin, timeout) {
			return matched, links, faults
		}
	}
}

// match finds the interfaces for each ethernet: one for each, and each for one. Only where all is left to DHCP it may be
// several.
func match(netdevs []*netdev, links []link) (map[*netdev][]string, []error) {
	matched, owner := map[*netdev][]string{}, map[string]*netdev{}
	var faults []error
	for _, each := range netdevs {
		found, err := each.find(links)
		for _, name := range found {
			if before := owner[name]; before != nil && err == nil {
				err = each.at.errorf("interface %s fits, but it is that of %s already", name, before.id)
			}
		}
		if err != nil {
			faults = append(faults, err)
			continue
		}
		for _, name := range found {
			owner[name] = each
		}
		matched[each] = found
	}
	return matched, faults
}

// find gives the names of the interfaces that fit. Bonds, VLANs and the like have the address of a card that they are made of: where
// several fit, cards of their own count.
func (e *netdev) find(links []link) ([]string, error) {
	fitting := slices.DeleteFunc(slices.Clone(links), func(each link) bool { return !e.fits(each) })
	if slices.ContainsFunc(fitting, func(each link) bool { return each.plain }) {
		fitting = slices.DeleteFunc(fitting, func(each link) bool { return !each.plain })
	}
	var names []string
	for _, each := range fitting {
		names = append(names, each.name)
	}
	switch {
	case len(names) == 0 && !e.optional:
		return nil, e.at.errorf("no interface fits; there are %s", listed(links))
	case len(names) > 1 && !e.leftToDHCP() && e.partOf == nil:
		return nil, e.at.errorf("only one interface can have this, and %s fit", strings.Join(names, ", "))
	}
	return names, nil
}

func (e *netdev) fits(found link) bool {
	return (e.mac == "" || e.mac == found.mac) && (e.name == "" || e.isNamed(found)) && (e.drivers == nil || e.isDriven(found))
}

func (e *netdev) isNamed(found link) bool {
	return slices.ContainsFunc(append([]string{found.name}, found.alternative...), func(name string) bool {
		fits, _ := path.Match(e.name, name)
		return fits
	})
}

func (e *netdev) isDriven(found link) bool {
	return slices.ContainsFunc(e.drivers, func(driver string) bool {
		fits, _ := path.Match(driver, found.driver)
		return fits
	})
}

func listed(links []link) string {
	var texts []string
	for _, each := range links {
		also := ""
		if each.alternative != nil {
			also = ", or " + strings.Join(each.alternative, ", ")
		}
		texts = append(texts, fmt.Sprintf("%s (%s%s)", each.name, each.mac, also))
	}
	if texts == nil {
		return "none"
	}
	return strings.Join(texts, ", ")
}
