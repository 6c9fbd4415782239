package main

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/initrd/cpu"
)

// link is a network interface that is there.
type link struct{ name, mac, driver string }

// host is the node's network.
type host interface {
	// links gives the interfaces, without the loopback one.
	links() ([]link, error)
	// configure gives the interface of that name what the ethernet asks for, and tells the name that it has then.
	configure(name string, wanted *ethernet) (string, error)
}

const (
	linkTimeout = 10 * time.Second // at native speed
	linkPause   = 100 * time.Millisecond
)

// applied is an ethernet with the name of its interface.
type applied struct {
	name string
	from *ethernet
}

// apply carries the ethernets out. Drivers may still be at work, so interfaces that lack are waited for; one that is optional
// is not. `warn` is told of those.
func apply(on host, ethernets []*ethernet, timeout time.Duration, warn func(string)) ([]applied, error) {
	matched, err := await(on, ethernets, timeout)
	if err != nil {
		return nil, err
	}
	var done []applied
	for _, each := range ethernets {
		names := matched[each]
		if len(names) == 0 {
			warn(each.at.errorf("no interface fits").Error())
		}
		for _, name := range names {
			if !each.leftToDHCP() {
				if name, err = on.configure(name, each); err != nil {
					return nil, each.at.errorf("interface %s: %v", name, err)
				}
			}
			done = append(done, applied{name, each})
		}
	}
	return done, nil
}

// await gives the interfaces' names for each ethernet, once there is one for each.
func await(on host, ethernets []*ethernet, timeout time.Duration) (map[*ethernet][]string, error) {
	for begin := time.Now(); ; time.Sleep(linkPause) {
		links, err := on.links()
		if err != nil {
			return nil, fmt.Errorf("listing the network interfaces: %w", err)
		}
		matched, err := match(ethernets, links)
		if err == nil || cpu.Over(begin, timeout) {
			return matched, err
		}
	}
}

// match finds the interfaces for each ethernet: one for each, and each for one. Only where all is left to DHCP it may be
// several.
func match(ethernets []*ethernet, links []link) (map[*ethernet][]string, error) {
	matched, owner := map[*ethernet][]string{}, map[string]*ethernet{}
	for _, each := range ethernets {
		for _, link := range links {
			if !each.fits(link) {
				continue
			}
			if before := owner[link.name]; before != nil {
				return nil, each.at.errorf("interface %s fits, but it is that of %s already", link.name, before.id)
			}
			owner[link.name] = each
			matched[each] = append(matched[each], link.name)
		}
		switch found := matched[each]; {
		case len(found) == 0 && !each.optional:
			return nil, each.at.errorf("no interface fits; there are %s", listed(links))
		case len(found) > 1 && !each.leftToDHCP():
			return nil, each.at.errorf("only one interface can have this, and %s fit", strings.Join(found, ", "))
		}
	}
	return matched, nil
}

func (e *ethernet) fits(found link) bool {
	named, _ := path.Match(e.name, found.name)
	driven, _ := path.Match(e.driver, found.driver)
	return (e.mac == "" || e.mac == found.mac) && (e.name == "" || named) && (e.driver == "" || driven)
}

func listed(links []link) string {
	var texts []string
	for _, each := range links {
		texts = append(texts, fmt.Sprintf("%s (%s)", each.name, each.mac))
	}
	if texts == nil {
		return "none"
	}
	return strings.Join(texts, ", ")
}

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
		target, _ := os.Readlink(filepath.Join(k.sysfs, "class/net", attributes.Name, "device/driver"))
		found = append(found, link{attributes.Name, attributes.HardwareAddr.String(), driverName(target)})
	}
	slices.SortFunc(found, func(a, b link) int { return strings.Compare(a.name, b.name) })
	return found, err
}

func driverName(target string) string {
	if target == "" {
		return ""
	}
	return filepath.Base(target)
}

func (k kernel) configure(name string, wanted *ethernet) (string, error) {
	link, err := netlink.LinkByName(name)
	if err != nil {
		return name, err
	}
	if wanted.setName != "" && wanted.setName != name {
		if err := rename(link, wanted.setName); err != nil {
			return name, fmt.Errorf("naming it %s: %w", wanted.setName, err)
		}
		name = wanted.setName
	}
	if wanted.mtu != 0 {
		if err := netlink.LinkSetMTU(link, wanted.mtu); err != nil {
			return name, fmt.Errorf("MTU %d: %w", wanted.mtu, err)
		}
	}
	if err := netlink.LinkSetUp(link); err != nil {
		return name, fmt.Errorf("switching it on: %w", err)
	}
	for _, address := range wanted.addresses {
		if err := netlink.AddrReplace(link, &netlink.Addr{IPNet: ipNet(address)}); err != nil {
			return name, fmt.Errorf("address %s: %w", address, err)
		}
	}
	for _, route := range wanted.routes {
		if err := addRoute(link, route); err != nil {
			return name, fmt.Errorf("route %s: %w", route, err)
		}
	}
	return name, nil
}

// rename needs the interface to be off, which it is before anything was configured.
func rename(link netlink.Link, name string) error {
	if err := netlink.LinkSetDown(link); err != nil {
		return err
	}
	return netlink.LinkSetName(link, name)
}

func addRoute(link netlink.Link, route route) error {
	made := &netlink.Route{
		LinkIndex: link.Attrs().Index, Dst: ipNet(route.to), Priority: route.metric, Protocol: unix.RTPROT_STATIC,
	}
	if route.via.IsValid() {
		made.Gw = route.via.AsSlice()
	} else {
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

// onPaper is what apply would do, were every interface there.
func onPaper(ethernets []*ethernet) []applied {
	var done []applied
	for _, each := range ethernets {
		name := each.id
		if each.setName != "" {
			name = each.setName
		}
		done = append(done, applied{name, each})
	}
	return done
}

func ipNet(prefix netip.Prefix) *net.IPNet {
	return &net.IPNet{IP: prefix.Addr().AsSlice(), Mask: net.CIDRMask(prefix.Bits(), prefix.Addr().BitLen())}
}
