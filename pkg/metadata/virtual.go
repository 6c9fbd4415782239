package main

import (
	"fmt"
	"slices"
	"strings"
)

// virtual says of what an interface is made that is no card: of the parts of a bond or a bridge, or of what a VLAN lies on.
type virtual struct {
	names  []value // of what it is made of, as they are written
	over   []*netdev
	bond   *bond
	bridge *bridge
	vlan   *int // its number
}

func (v *virtual) kind() string {
	switch {
	case v.bond != nil:
		return "bond"
	case v.bridge != nil:
		return "bridge"
	}
	return "VLAN"
}

func (v *virtual) String() string {
	var of []string
	for _, each := range v.over {
		of = append(of, each.id)
	}
	text, parts := v.kind(), strings.Join(of, ", ")
	switch {
	case v.vlan != nil:
		return fmt.Sprintf("VLAN %d on %s", *v.vlan, parts)
	case v.bond != nil:
		text = v.bond.Mode.String() + " bond"
	}
	if parts == "" {
		return text
	}
	return text + " of " + parts
}

// readBond reads one entry of `bonds`.
func (w *wanted) readBond(id string, at value) *netdev {
	made, keys := w.readVirtual(id, at)
	if made == nil {
		return nil
	}
	made.virtual.bond = newBond()
	if parameters, given := keys.take("parameters"); given {
		w.readBondParameters(made.virtual.bond, w.keysOf(parameters))
	}
	w.readCommon(made, keys)
	return made
}

// readBridge reads one entry of `bridges`. As for netplan, the spanning tree protocol is spoken where nothing else is said.
func (w *wanted) readBridge(id string, at value) *netdev {
	made, keys := w.readVirtual(id, at)
	if made == nil {
		return nil
	}
	made.virtual.bridge = newBridge(true)
	if parameters, given := keys.take("parameters"); given {
		w.readBridgeParameters(made.virtual.bridge, w.keysOf(parameters))
	}
	w.readCommon(made, keys)
	return made
}

// readVLAN reads one entry of `vlans`.
func (w *wanted) readVLAN(id string, at value) *netdev {
	made, keys := w.readVirtual(id, at)
	if made == nil {
		return nil
	}
	w.takeVLAN(made, keys, "id", "link")
	w.readCommon(made, keys)
	return made
}

// takeVLAN reads a VLAN's number and what it lies on, which both have to be there.
func (w *wanted) takeVLAN(made *netdev, keys *fields, number, link string) {
	found := -1
	takeInto(w, keys, number, &found, value.vlan)
	made.virtual.vlan = &found
	if on, given := keys.take(link); given {
		made.virtual.names = []value{on}
	} else {
		w.fault(keys.of.errorf("%s is missing: what the VLAN lies on", link))
	}
	if _, given := keys.values[number]; !given {
		w.fault(keys.of.errorf("%s is missing: the VLAN's number", number))
	}
}

// vlan reads the number of a VLAN (IEEE 802.1Q, section 9.6: 0 and 4095 are none).
func (v value) vlan() (int, error) {
	number, err := v.integer()
	if err == nil && (number < 1 || number > 4094) {
		err = v.errorf("%d is no number of a VLAN: those are 1 to 4094", number)
	}
	return number, err
}

func (w *wanted) readVirtual(id string, at value) (*netdev, *fields) {
	keys := w.keysOf(at)
	if keys == nil {
		return nil, nil
	}
	if err := checkInterfaceName(id); err != nil {
		w.fault(at.errorf("%v", err))
		return nil, nil
	}
	made := &netdev{at: at, id: id, name: id, virtual: &virtual{}}
	if parts, given := keys.take("interfaces"); given {
		listed, err := parts.list()
		w.fault(err)
		made.virtual.names = listed
	}
	return made, keys
}

// assemble finds what interfaces are made of, and puts them behind it. A part that has no entry of its own is the card of that name.
func (w *wanted) assemble() {
	known := w.byID()
	for _, each := range slices.Clone(w.netdevs) {
		if each.virtual == nil {
			continue
		}
		for _, name := range each.virtual.names {
			if part := w.part(known, name); part != nil {
				w.join(each, part, name)
			}
		}
	}
	w.netdevs = w.inOrder()
}

// byID are the interfaces by their names in the file; one whose name another has already is a fault and left out.
func (w *wanted) byID() map[string]*netdev {
	known := map[string]*netdev{}
	w.netdevs = slices.DeleteFunc(w.netdevs, func(each *netdev) bool {
		before := known[each.id]
		if before != nil {
			w.fault(each.at.errorf("%s is there twice: see line %d", each.id, before.at.node.Line))
			return true
		}
		known[each.id] = each
		return false
	})
	return known
}

func (w *wanted) part(known map[string]*netdev, at value) *netdev {
	name, err := at.interfaceName()
	if err != nil {
		w.fault(err)
		return nil
	}
	if known[name] == nil {
		known[name] = &netdev{at: at, id: name, name: name}
		w.netdevs = append(w.netdevs, known[name])
	}
	return known[name]
}

// join makes one interface a part of another. A VLAN leaves what it lies on its own addresses; a bond and a bridge don't.
func (w *wanted) join(whole, part *netdev, at value) {
	if whole.virtual.vlan == nil {
		if part.partOf != nil {
			w.fault(at.errorf("%s is a part of %s already", part.id, part.partOf.id))
			return
		}
		part.partOf = whole
		if part.dhcp || part.addresses != nil || part.routes != nil {
			w.warn(at, "%s is a part of %s, which has the addresses: its own count for nothing", part.id, whole.id)
			part.dhcp, part.addresses, part.routes = false, nil, nil
		}
	}
	whole.virtual.over = append(whole.virtual.over, part)
}

// inOrder puts what an interface is made of before it. Those that are made of themselves are a fault, and left out.
func (w *wanted) inOrder() []*netdev {
	var order []*netdev
	const begun, done, circle = 1, 2, 3
	state := map[*netdev]int{}
	var visit func(each *netdev) bool
	visit = func(each *netdev) bool {
		switch state[each] {
		case done:
			return true
		case begun, circle:
			return false
		}
		state[each] = begun
		if each.virtual != nil {
			for _, part := range each.virtual.over {
				if !visit(part) {
					state[each] = circle
					return false
				}
			}
		}
		state[each] = done
		order = append(order, each)
		return true
	}
	for _, each := range w.netdevs {
		if state[each] == 0 && !visit(each) {
			w.fault(each.at.errorf("%s is made of itself", each.id))
		}
	}
	return order
}
