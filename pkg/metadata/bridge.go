package main

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// bridge is a bridge's options by their numbers in the kernel (include/uapi/linux/if_link.h, IFLA_BR_*).
type bridge struct{ options map[int]int }

// ticks of the kernel's clock for users in a second (USER_HZ), in which a bridge's times are.
const ticks = 100

// bridgeParameters are netplan's words. In version 1 each has "bridge_" before it, and some are shorter.
var bridgeParameters = map[string]parameter[bridge]{
	"stp":           {value.truth, func(b *bridge, n int) { b.options[nl.IFLA_BR_STP_STATE] = n }},
	"priority":      {value.integer, func(b *bridge, n int) { b.options[nl.IFLA_BR_PRIORITY] = n }},
	"ageing-time":   {value.seconds, func(b *bridge, n int) { b.options[nl.IFLA_BR_AGEING_TIME] = n * ticks }},
	"forward-delay": {value.seconds, func(b *bridge, n int) { b.options[nl.IFLA_BR_FORWARD_DELAY] = n * ticks }},
	"hello-time":    {value.seconds, func(b *bridge, n int) { b.options[nl.IFLA_BR_HELLO_TIME] = n * ticks }},
	"max-age":       {value.seconds, func(b *bridge, n int) { b.options[nl.IFLA_BR_MAX_AGE] = n * ticks }},
}

var (
	otherBridgeNames = map[string]string{
		"ageing": "ageing-time", "bridgeprio": "priority", "fd": "forward-delay", "hello": "hello-time", "maxage": "max-age",
	}
	// Options that change how a bridge finds its way among several, and not which network the node is on.
	harmlessOfBridges = []string{"path-cost", "port-priority", "pathcost", "portprio", "waitport", "maxwait", "gcint", "hw"}
)

func newBridge(stp bool) *bridge {
	made := &bridge{options: map[int]int{}}
	if stp {
		made.options[nl.IFLA_BR_STP_STATE] = 1
	}
	return made
}

func (w *wanted) readBridgeParameters(made *bridge, keys *fields) {
	if keys == nil {
		return
	}
	for i, each := range keys.rest() {
		name := strings.ReplaceAll(strings.TrimPrefix(keys.names[i], "bridge_"), "_", "-")
		if usual, other := otherBridgeNames[name]; other {
			name = usual
		}
		known, isKnown := bridgeParameters[name]
		switch {
		case each.isNull():
		case slices.Contains(harmlessOfBridges, name):
			w.warn(each, "this node does nothing with it")
		case isKnown:
			number, err := known.read(each)
			if err != nil {
				w.fault(err)
				continue
			}
			known.set(made, number)
		default:
			w.fault(each.errorf("this key is not known to a node"))
		}
	}
}

// setOptions tells the kernel a bridge's options, for which the library has no words.
func (b *bridge) setOptions(index int) error {
	request := nl.NewNetlinkRequest(unix.RTM_NEWLINK, unix.NLM_F_ACK)
	message := nl.NewIfInfomsg(unix.AF_UNSPEC)
	message.Index = int32(index)
	request.AddData(message)
	info := nl.NewRtAttr(unix.IFLA_LINKINFO, nil)
	info.AddRtAttr(nl.IFLA_INFO_KIND, nl.NonZeroTerminated("bridge"))
	data := info.AddRtAttr(nl.IFLA_INFO_DATA, nil)
	for option, number := range b.options {
		text := binary.NativeEndian.AppendUint32(nil, uint32(number))
		if option == nl.IFLA_BR_PRIORITY {
			text = binary.NativeEndian.AppendUint16(nil, uint16(number))
		}
		data.AddRtAttr(option, text)
	}
	request.AddData(info)
	_, err := request.Execute(unix.NETLINK_ROUTE, 0)
	return err
}
