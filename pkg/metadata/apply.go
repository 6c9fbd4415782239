package main

import (
	"fmt"
	"time"
)

// host is the node's network.
type host interface {
	// links gives the interfaces, without the loopback one.
	links() ([]link, error)
	// rename gives an interface another name, which must be free.
	rename(from, to string) error
	// configure gives the interface of that name what the ethernet asks for, as far as it can.
	configure(name string, wanted *ethernet) []error
}

const (
	linkTimeout = 10 * time.Second // at native speed
	linkPause   = 100 * time.Millisecond
)

// applied is an ethernet with the name of its interface. `whole` says that it got all that it asks for.
type applied struct {
	name  string
	from  *ethernet
	whole bool
}

// apply carries the ethernets out. Drivers may still be at work, so interfaces that lack are waited for; one that is optional
// is not: `warn` is told of those. What can't be done is a fault each, and keeps nothing else from being done.
func apply(on host, ethernets []*ethernet, timeout time.Duration, warn func(string)) (done []applied, faults []error) {
	matched, present, faults := await(on, ethernets, timeout)
	names, more := rename(on, ethernets, matched, present)
	faults = append(faults, more...)
	for _, each := range ethernets {
		found, fits := matched[each]
		if fits && len(found) == 0 {
			warn(each.at.errorf("no interface fits").Error())
		}
		for _, name := range found {
			name = names[name]
			var wrong []error
			if !each.leftToDHCP() {
				wrong = on.configure(name, each)
			}
			for _, err := range wrong {
				faults = append(faults, each.at.errorf("interface %s: %v", name, err))
			}
			done = append(done, applied{name, each, wrong == nil})
		}
	}
	return done, faults
}

// rename gives interfaces the names that are asked for, and tells what each that was present is called then.
func rename(on host, ethernets []*ethernet, matched map[*ethernet][]string, present []link) (names map[string]string, faults []error) {
	wishes, wishedBy, names := map[string]string{}, map[string]*ethernet{}, map[string]string{}
	for _, each := range present {
		names[each.name] = each.name
	}
	for _, each := range ethernets {
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
func onPaper(ethernets []*ethernet) []applied {
	var done []applied
	for _, each := range ethernets {
		name := each.id
		if each.setName != "" {
			name = each.setName
		}
		done = append(done, applied{name, each, true})
	}
	return done
}
