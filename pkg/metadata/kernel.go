package main

import (
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// kernel is the network of the machine that the program runs on.
type kernel struct{ sysfs string }

func (k kernel) links() ([]link, error) {
	all, err := netlink.LinkList()
	var found []link
	for _, each := range all {
		attributes := each.Attrs()
		if attributes.Flags&net.FlagLoopback != 0 {
			continue
		}
		made := link{name: attributes.Name, mac: attributes.HardwareAddr.String()}
		device := filepath.Join(k.sysfs, "class/net", made.name, "device")
		if target, err := os.Readlink(filepath.Join(device, "driver")); err == nil {
			made.driver = filepath.Base(target)
		}
		_, missing := os.Stat(device)
		made.plain = missing == nil && attributes.MasterIndex == 0
		made.alternative = k.alternativeNames(made.name, made.mac)
		found = append(found, made)
	}
	slices.SortFunc(found, func(a, b link) int { return strings.Compare(a.name, b.name) })
	return found, err
}

// rename switches the interface off for the moment, as older kernels want.
func (k kernel) rename(from, to string) error {
	link, err := netlink.LinkByName(from)
	if err != nil {
		return err
	}
	if link.Attrs().Flags&net.FlagUp != 0 {
		if err := netlink.LinkSetDown(link); err != nil {
			return err
		}
		defer func() { _ = netlink.LinkSetUp(link) }()
	}
	return netlink.LinkSetName(link, to)
}

// make adds an interface that is made of others, and gives it its parts.
func (k kernel) make(name string, wanted *netdev, parts []applied) error {
	links := make([]netlink.Link, len(parts))
	for i, part := range parts {
		link, err := netlink.LinkByName(part.name)
		if err != nil {
			return fmt.Errorf("%s: %w", part.name, err)
		}
		links[i] = link
	}
	attributes := netlink.NewLinkAttrs()
	attributes.Name = name
	if wanted.setMAC != "" {
		attributes.HardwareAddr, _ = net.ParseMAC(wanted.setMAC)
	}
	made, err := add(wanted.virtual.link(attributes, parts, links))
	if err != nil || wanted.virtual.vlan != nil {
		return err
	}
	if options := wanted.virtual.bridge; options != nil {
		if err := options.setOptions(made.Attrs().Index); err != nil {
			return fmt.Errorf("its options: %w", err)
		}
	}
	for _, part := range links {
		if err := enslave(part, made); err != nil {
			return fmt.Errorf("taking %s: %w", part.Attrs().Name, err)
		}
	}
	return nil
}

// add makes an interface. The kernel's driver of bonds makes one by itself when it is loaded (max_bonds), which is in the way of one
// of that name: it has no part, and goes.
func add(wanted netlink.Link) (netlink.Link, error) {
	name := wanted.Attrs().Name
	err := netlink.LinkAdd(wanted)
	if errors.Is(err, unix.EEXIST) && wanted.Type() == "bond" {
		if there, found := netlink.LinkByName(name); found == nil && there.Type() == "bond" && isIdle(there) {
			err = errors.Join(netlink.LinkDel(there), netlink.LinkAdd(wanted))
		}
	}
	if err != nil {
		return nil, fmt.Errorf("making it: %w", err)
	}
	return netlink.LinkByName(name)
}

// isIdle says whether an interface is switched off.
func isIdle(link netlink.Link) bool { return link.Attrs().Flags&net.FlagUp == 0 }

// enslave makes an interface part of another; for a bond it must be switched off then.
func enslave(part, whole netlink.Link) error {
	if err := netlink.LinkSetDown(part); err != nil {
		return err
	}
	if err := netlink.LinkSetMaster(part, whole); err != nil {
		return err
	}
	return netlink.LinkSetUp(part)
}

// link is what the kernel is asked for. links are those of the parts.
func (v *virtual) link(attributes netlink.LinkAttrs, parts []applied, links []netlink.Link) netlink.Link {
	switch {
	case v.bond != nil:
		preferred := -1
		for i, part := range parts {
			if v.bond.primary != "" && (part.name == v.bond.primary || part.from.id == v.bond.primary) {
				preferred = links[i].Attrs().Index
			}
		}
		return v.bond.link(attributes, preferred)
	case v.bridge != nil:
		return &netlink.Bridge{LinkAttrs: attributes}
	}
	attributes.ParentIndex = links[0].Attrs().Index
	return &netlink.Vlan{LinkAttrs: attributes, VlanId: *v.vlan}
}

func (k kernel) configure(name string, wanted *netdev) (faults []error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return []error{err}
	}
	try := func(what string, err error) {
		if err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", what, err))
		}
	}
	if wanted.setMAC != "" {
		mac, _ := net.ParseMAC(wanted.setMAC)
		try("hardware address "+wanted.setMAC, netlink.LinkSetHardwareAddr(link, mac))
	}
	if wanted.mtu != 0 {
		try(fmt.Sprintf("MTU %d", wanted.mtu), netlink.LinkSetMTU(link, wanted.mtu))
	}
	try("switching it on", netlink.LinkSetUp(link))
	for _, address := range wanted.addresses {
		try("address "+address.String(), netlink.AddrReplace(link, address.forNetlink()))
	}
	for _, route := range wanted.routes {
		try("route "+route.String(), addRoute(link, route))
	}
	return faults
}

func (a address) forNetlink() *netlink.Addr {
	made := &netlink.Addr{IPNet: ipNet(a.Prefix), Label: a.label}
	if a.deprecated { // for ever valid, and never chosen for new connections
		made.ValidLft, made.PreferedLft = math.MaxUint32, 0
	}
	return made
}

func addRoute(link netlink.Link, route route) error {
	made := &netlink.Route{
		LinkIndex: link.Attrs().Index, Dst: ipNet(route.to), Priority: route.metric, Protocol: unix.RTPROT_STATIC,
		MTU: route.mtu, Table: route.table, Scope: netlink.Scope(route.scope), Type: route.way,
	}
	if route.way != 0 && route.way != unix.RTN_UNICAST {
		made.LinkIndex = 0 // such routes have no interface
	}
	if route.from.IsValid() {
		made.Src = route.from.AsSlice()
	}
	if route.via.IsValid() {
		made.Gw = route.via.AsSlice()
	} else if made.LinkIndex != 0 && route.scope == 0 {
		made.Scope = netlink.SCOPE_LINK
	}
	if route.onLink {
		made.SetFlag(netlink.FLAG_ONLINK)
	}
	err := netlink.RouteReplace(made)
	if errors.Is(err, unix.ENETUNREACH) || errors.Is(err, unix.EHOSTUNREACH) {
		return errors.New("the gateway is on none of the interface's networks")
	}
	return err
}

func ipNet(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}
}
