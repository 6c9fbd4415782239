package main

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vmware/govmomi/toolbox"
	"golang.org/x/sys/unix"
)

// The kinds of what a guest tells by SetGuestInfo (open-vm-tools, lib/include/guestInfo.h: GuestInfoType).
const (
	infoName       = 1
	infoSystemFull = 5
	infoSystem     = 6
	infoCards      = 9 // of hypervisors before vSphere 7
	infoCardsNow   = 10
)

// systemName is what vSphere calls a Linux of these years (vim.vm.GuestOsDescriptor.GuestOsIdentifier).
const systemName = "other5xLinux64Guest"

// mostCards are the cards that the hypervisor takes (open-vm-tools, lib/guestRpc/nicinfo.x: NICINFO_MAX_NICS).
const mostCards = 16

// card is a network interface. mac is empty for one that has none.
type card struct {
	name, mac string
	addresses []net.Addr
}

// told is what the hypervisor shows of a node. cards is in XDR (nicinfo.x), primary the address by which it is reached, or empty.
type told struct {
	name, system, primary string
	cards                 []byte
}

func (t told) equal(other told) bool {
	return t.name == other.name && t.system == other.system && t.primary == other.primary && bytes.Equal(t.cards, other.cards)
}

// look gives what a node tells now. The pods' interfaces are none of the machine's.
func look(sys string, interfaces func() ([]card, error)) (told, error) {
	all, err := interfaces()
	if err != nil {
		return told{}, err
	}
	outward := slices.DeleteFunc(all, func(each card) bool { return len(each.addresses) == 0 || !leadsOut(sys, each.name, 0) })
	encoded, err := inXDR(outward[:min(len(outward), mostCards)])
	if err != nil {
		return told{}, err
	}
	name, err := os.Hostname()
	if err != nil {
		return told{}, err
	}
	var system unix.Utsname
	if err := unix.Uname(&system); err != nil {
		return told{}, err
	}
	full := fmt.Sprintf("kubeiso, Linux %s", unix.ByteSliceToString(system.Release[:]))
	return told{name: name, system: full, primary: primary(outward), cards: encoded}, nil
}

// deepest bounds how many interfaces lie one upon another.
const deepest = 8

// leadsOut says whether an interface is a card, or a bond, VLAN or bridge that has one.
func leadsOut(sys, name string, depth int) bool {
	folder := filepath.Join(sys, "class/net", name)
	if _, err := os.Stat(filepath.Join(folder, "device")); err == nil {
		return true
	}
	event, err := os.ReadFile(filepath.Join(folder, "uevent"))
	if err != nil || depth == deepest {
		return false
	}
	made := func(kind string) bool { return strings.Contains(string(event), "DEVTYPE="+kind+"\n") }
	if !made("bond") && !made("vlan") && !made("bridge") {
		return false
	}
	lower, _ := filepath.Glob(filepath.Join(folder, "lower_*"))
	return slices.ContainsFunc(lower, func(each string) bool {
		return leadsOut(sys, strings.TrimPrefix(filepath.Base(each), "lower_"), depth+1)
	})
}

// inXDR gives cards as the hypervisor takes them.
func inXDR(cards []card) ([]byte, error) {
	info := toolbox.NewGuestNicInfo()
	for _, each := range cards {
		nic := toolbox.GuestNicV3{MacAddress: each.mac}
		for _, address := range each.addresses {
			if at, is := address.(*net.IPNet); is {
				nic.AddIP(&net.IPNet{IP: at.IP, Mask: at.Mask})
			}
		}
		info.V3.Nics = append(info.V3.Nics, nic)
	}
	return toolbox.EncodeXDR(info)
}

// primary is the first address of IPv4 that reaches beyond the machine, else of IPv6.
func primary(cards []card) string {
	for _, wide := range []bool{false, true} {
		for _, each := range cards {
			for _, address := range each.addresses {
				at, is := address.(*net.IPNet)
				if is && at.IP.IsGlobalUnicast() && (at.IP.To4() == nil) == wide {
					return at.IP.String()
				}
			}
		}
	}
	return ""
}
