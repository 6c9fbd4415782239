package main

import (
	"fmt"
	"slices"
	"time"
)

// host is the node's network.
type host interface {
	// links gives the interfaces, without the loopback one.
	links() ([]link, error)
	// rename gives an interface another name, which must be free.
	rename(from, to string) error
	// make adds the interface of that name, which is made of others.
	make(name string, wanted *netdev, parts []applied) error
	// configure gives the interface of that name what the ethernet asks for, as far as it can.
	configure(name string, wanted *netdev) []error
}

const (
	linkTimeout = 10 * time.Second // at native speed
	linkPause   = 100 * time.Millisecond
)

// applied is an ethernet with the name of its interface. `whole` says that it got all that it asks for.
type applied struct {
	name  string
	from  *netdev
	whole bool
}

// apply carries out what is asked for. Drivers may still be at work, so cards that lack are waited for; one that is optional is
// not: `warn` is told of those. What can't be done is a fault each, and keeps nothing else from being done.
func apply(on host, netdevs []*netdev, timeout time.Duration, warn func(string)) (done []applied, faults []error) {
	cards := slices.DeleteFunc(slices.Clone(netdevs), func(each *netdev) bool { return each.virtual != nil })
	matched, present, faults := await(on, cards, timeout)
	names, more := rename(on, cards, matched, present)
	faults = append(faults, more...)
	for _, each := range netdevs {
		var found []string
		if each.virtual == nil {
			var fits bool
			if found, fits = matched[each]; fits && len(found) == 0 {
				warn(each.at.errorf("no interface fits").Error())
			}
		} else if err := assembled(on, each, done); err != nil {
			faults = append(faults, err)
		} else {
			found = []string{each.id}
			names[each.id] = each.id
		}
		for _, name := range found {
			one, wrong := each.configured(on, names[name])
			done, faults = append(done, one), append(faults, wrong...)
		}
	}
	return done, faults
}

// configured gives one interface what is asked for.
func (e *netdev) configured(on host, name string) (applied, []error) {
	if e.leftToDHCP() {
		return applied{name, e, true}, nil
	}
	var faults []error
	for _, err := range on.configure(name, e) {
		faults = append(faults, e.at.errorf("interface %s: %v", name, err))
	}
	return applied{name, e, faults == nil}, faults
}

// assembled makes an interface of those that are there already.
func assembled(on host, wanted *netdev, there []applied) error {
	var parts []applied
	for _, part := range wanted.virtual.over {
		for _, each := range there {
			if each.from == part {
				parts = append(parts, each)
			}
		}
	}
	switch {
	case parts == nil && len(wanted.virtual.names) > 0:
		return wanted.at.errorf("%s: nothing is there that it is made of", wanted.id)
	case wanted.virtual.vlan != nil && len(parts) > 1:
		return wanted.at.errorf("%s: a VLAN lies on one interface, and %s and %s fit", wanted.id, parts[0].name, parts[1].name)
	}
	if err := on.make(wanted.id, wanted, parts); err != nil {
		return wanted.at.errorf("%s %s: %v", wanted.virtual.kind(), wanted.id, err)
	}
	return nil
}

// rename gives interfaces the names that are asked for, and tells what each that was present is called then.
func rename(on host, netdevs []*netdev, matched map[*netdev][]string, present []link) (names map[string]string, faults []error) {
	wishes, wishedBy, names := map[string]string{}, map[string]*netdev{}, map[string]string{}
	for _, each := range present {
		names[each.name] = each.name
	}
	for _, each := range netdevs {
		if each.setName == "" || len(matched[each]) == 0 {
			continue
		}
		if before := wishedBy[each.setName]; before != nil {
			faults = append(faults, each.at.errorf("set-name: %s is to be called %s, too", before.id, each.setName))
			continue
		}
		wishedBy[each.setName] = each
		wishes[matched[each][0]] = each.setName
	}
	at := map[string]string{} // the name at the start, by the one of now
	for _, move := range renamings(present, wishes) {
		begin, moved := at[move.from]
		if !moved {
			begin = move.from
		}
		if names[begin] != move.from {
			continue // an earlier move of it failed
		}
		if err := on.rename(move.from, move.to); err != nil {
			faults = append(faults, fmt.Errorf("network: naming interface %s %s: %w", move.from, move.to, err))
			continue
		}
		names[begin], at[move.to] = move.to, begin
	}
	return names, faults
}

// onPaper is what apply would do, were every interface there.
func onPaper(netdevs []*netdev) []applied {
	var done []applied
	for _, each := range netdevs {
		name := each.id
		if each.setName != "" {
			name = each.setName
		}
		done = append(done, applied{name, each, true})
	}
	return done
}
