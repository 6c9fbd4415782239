package main

import (
	"maps"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
)

// bond is a bond with its options, and the part that it prefers.
type bond struct {
	netlink.Bond
	primary string
}

// linkWatch is how often a bond looks whether its parts have a link, in milliseconds, where nothing is said of it. The kernel's
// default for most modes is never, and a cable that is out would not be seen.
const linkWatch = 100

func newBond() *bond {
	made := netlink.NewLinkBond(netlink.LinkAttrs{})
	made.Mode = netlink.BOND_MODE_BALANCE_RR // the kernel's own default, said for those who read what was configured
	return &bond{Bond: *made}
}

// parameter is an option of a bond or bridge: how its value is read, and where it goes.
type parameter[T any] struct {
	read func(value) (int, error)
	set  func(to *T, number int)
}

var bondParameters = map[string]parameter[netlink.Bond]{
	"mode":                    {named(netlink.StringToBondModeMap), func(b *netlink.Bond, n int) { b.Mode = netlink.BondMode(n) }},
	"lacp-rate":               {named(netlink.StringToBondLacpRateMap), func(b *netlink.Bond, n int) { b.LacpRate = netlink.BondLacpRate(n) }},
	"mii-monitor-interval":    {value.milliseconds, func(b *netlink.Bond, n int) { b.Miimon = n }},
	"min-links":               {value.integer, func(b *netlink.Bond, n int) { b.MinLinks = n }},
	"transmit-hash-policy":    {named(netlink.StringToBondXmitHashPolicyMap), func(b *netlink.Bond, n int) { b.XmitHashPolicy = netlink.BondXmitHashPolicy(n) }},
	"ad-select":               {named(netlink.StringToBondAdSelectMap), func(b *netlink.Bond, n int) { b.AdSelect = netlink.BondAdSelect(n) }},
	"all-members-active":      {value.truth, func(b *netlink.Bond, n int) { b.AllSlavesActive = n }},
	"arp-interval":            {value.milliseconds, func(b *netlink.Bond, n int) { b.ArpInterval = n }},
	"arp-validate":            {named(arpValidate), func(b *netlink.Bond, n int) { b.ArpValidate = netlink.BondArpValidate(n) }},
	"arp-all-targets":         {named(netlink.StringToBondArpAllTargetsMap), func(b *netlink.Bond, n int) { b.ArpAllTargets = netlink.BondArpAllTargets(n) }},
	"up-delay":                {value.milliseconds, func(b *netlink.Bond, n int) { b.UpDelay = n }},
	"down-delay":              {value.milliseconds, func(b *netlink.Bond, n int) { b.DownDelay = n }},
	"fail-over-mac-policy":    {named(netlink.StringToBondFailOverMacMap), func(b *netlink.Bond, n int) { b.FailOverMac = netlink.BondFailOverMac(n) }},
	"gratuitous-arp":          {value.integer, func(b *netlink.Bond, n int) { b.NumPeerNotif = n }},
	"packets-per-member":      {value.integer, func(b *netlink.Bond, n int) { b.PacketsPerSlave = n }},
	"primary-reselect-policy": {named(netlink.StringToBondPrimaryReselectMap), func(b *netlink.Bond, n int) { b.PrimaryReselect = netlink.BondPrimaryReselect(n) }},
	"resend-igmp":             {value.integer, func(b *netlink.Bond, n int) { b.ResendIgmp = n }},
	"learn-packet-interval":   {value.seconds, func(b *netlink.Bond, n int) { b.LpInterval = n }},
}

// otherNames are netplan's older words, and those of the kernel (Documentation/networking/bonding.rst), which version 1 has, without
// their "bond-".
var otherNames = map[string]string{
	"all-slaves-active": "all-members-active", "gratuitious-arp": "gratuitous-arp", "packets-per-slave": "packets-per-member",
	"miimon": "mii-monitor-interval", "xmit-hash-policy": "transmit-hash-policy", "updelay": "up-delay", "downdelay": "down-delay",
	"fail-over-mac": "fail-over-mac-policy", "num-grat-arp": "gratuitous-arp", "num-unsol-na": "gratuitous-arp",
	"primary-reselect": "primary-reselect-policy", "lp-interval": "learn-packet-interval", "arp-ip-target": "arp-ip-targets",
}

// arpValidate has the words that the library lacks, too (drivers/net/bonding/bond_options.c).
var arpValidate = map[string]int{
	"none": 0, "active": 1, "backup": 2, "all": 3, "filter": 4, "filter_active": 5, "filter_backup": 6,
}

func (w *wanted) readBondParameters(made *bond, keys *fields) {
	if keys == nil {
		return
	}
	for i, each := range keys.rest() {
		name := strings.TrimPrefix(strings.ReplaceAll(keys.names[i], "_", "-"), "bond-")
		if usual, other := otherNames[name]; other {
			name = usual
		}
		known, isKnown := bondParameters[name]
		switch {
		case each.isNull():
		case name == "primary":
			text, err := each.interfaceName()
			w.fault(err)
			made.primary = text
		case name == "arp-ip-targets":
			made.ArpIpTargets = w.targets(each)
		case isKnown:
			number, err := known.read(each)
			if err != nil {
				w.fault(err)
				continue
			}
			known.set(&made.Bond, number)
		default:
			w.fault(each.errorf("this key is not known to a node"))
		}
	}
}

// targets are addresses, in a list or in one text with commas between them.
func (w *wanted) targets(at value) (found []net.IP) {
	if at.isList() {
		for _, each := range eachOf(w, at, value.address) {
			found = append(found, each.AsSlice())
		}
		return found
	}
	text, err := at.text()
	w.fault(err)
	for _, each := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' }) {
		address := net.ParseIP(each)
		if address == nil {
			w.fault(at.errorf("%q is no IP address", each))
			continue
		}
		found = append(found, address)
	}
	return found
}

// link is the bond as the kernel is asked for it; preferred is the number of the part that it prefers, or -1.
func (b *bond) link(attributes netlink.LinkAttrs, preferred int) netlink.Link {
	made := b.Bond
	made.LinkAttrs, made.Primary = attributes, preferred
	if made.Miimon < 0 && made.ArpInterval <= 0 {
		made.Miimon = linkWatch
	}
	return &made
}

// named reads one of some words, or the number that the kernel has for it.
func named[N ~int](words map[string]N) func(value) (int, error) {
	return func(at value) (int, error) {
		text, err := at.text()
		if err != nil {
			return 0, err
		}
		if number, known := words[text]; known {
			return int(number), nil
		}
		for _, number := range words {
			if text == strconv.Itoa(int(number)) {
				return int(number), nil
			}
		}
		return 0, at.errorf("%q is not known here; there are %s", text, strings.Join(slices.Sorted(maps.Keys(words)), ", "))
	}
}

// truth is 1 for what is true.
func (v value) truth() (int, error) {
	is, err := v.boolean()
	if err != nil {
		if number, err := v.integer(); err == nil && number < 2 {
			return number, nil
		}
		return 0, err
	}
	if is {
		return 1, nil
	}
	return 0, nil
}

// milliseconds reads a time; a number without a unit is one of milliseconds.
func (v value) milliseconds() (int, error) { return v.duration(time.Millisecond) }

// seconds reads a time; a number without a unit is one of seconds.
func (v value) seconds() (int, error) { return v.duration(time.Second) }

func (v value) duration(unit time.Duration) (int, error) {
	text, err := v.text()
	if err != nil {
		return 0, err
	}
	if number, err := strconv.Atoi(text); err == nil && number >= 0 {
		return number, nil
	}
	found, err := time.ParseDuration(text)
	if err != nil || found < 0 {
		return 0, v.errorf("%q is no time, such as 100 or 100ms", text)
	}
	return int(found / unit), nil
}
