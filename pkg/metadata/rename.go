package main

import (
	"fmt"
	"slices"
)

// renaming gives an interface another name.
type renaming struct{ from, to string }

// renamings is the order in which interfaces get the names of `wishes` (old to new), so that none is ever in use twice. An interface
// that has a name which another one is to get, and shall not get one itself, takes a name that becomes free. Where names are in each
// other's way, all go by way of spare ones.
func renamings(links []link, wishes map[string]string) []renaming {
	var moves []renaming
	taken := map[string]bool{}
	for _, each := range links {
		taken[each.name] = true
		if to, wished := wishes[each.name]; wished && to != each.name {
			moves = append(moves, renaming{each.name, to})
		}
	}
	moves = append(moves, displaced(links, wishes, moves)...)
	inTheWay := slices.ContainsFunc(moves, func(each renaming) bool { return taken[each.to] })
	if !inTheWay {
		return moves
	}
	var first, last []renaming
	for _, each := range moves {
		spare := spareName(taken)
		first = append(first, renaming{each.from, spare})
		last = append(last, renaming{spare, each.to})
	}
	return append(first, last...)
}

// displaced are the moves of those that nobody wants to move, and whose names others get.
func displaced(links []link, wishes map[string]string, moves []renaming) []renaming {
	wanted := map[string]bool{}
	for _, each := range moves {
		wanted[each.to] = true
	}
	var free []string
	for _, each := range moves {
		if !wanted[each.from] {
			free = append(free, each.from)
		}
	}
	var more []renaming
	for _, each := range links {
		if _, wished := wishes[each.name]; !wished && wanted[each.name] {
			more = append(more, renaming{each.name, free[0]})
			free = free[1:]
		}
	}
	return more
}

func spareName(taken map[string]bool) string {
	for number := 0; ; number++ {
		if name := fmt.Sprintf("spare%d", number); !taken[name] {
			taken[name] = true
			return name
		}
	}
}
