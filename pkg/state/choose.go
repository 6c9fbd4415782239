package main

import (
	"fmt"
	"slices"
	"strings"
)

// choice is what comes of a survey: a disk to take, one to format, a trouble in words, or nothing of these.
type choice struct {
	take, format *finding
	trouble      string
}

// choose judges all findings together. Where the right disk may be one that can't be used, no other one is taken in its place and
// none is formatted.
func choose(all []finding, wanted wish) choice {
	disks, ailing := of(all, chosen), of(all, broken)
	if len(disks) > 1 {
		disks = slices.DeleteFunc(disks, func(each finding) bool { return !wanted.selects(each.path, each.size) })
		if len(disks) != 1 {
			return choice{trouble: several(of(all, chosen), wanted)}
		}
	}
	switch {
	case len(disks) == 1 && labelled(ailing) == nil:
		return choice{take: &disks[0]}
	case ailing != nil:
		return choice{trouble: sentences(append(disks, ailing...))}
	}
	return vacancy(all, wanted)
}

// vacancy chooses a disk to format, if one is to be: the one whose formatting was cut short before any other.
func vacancy(all []finding, wanted wish) choice {
	for _, is := range []standing{halfway, vacant} {
		switch found := of(all, is); {
		case len(found) == 1:
			return choice{format: &found[0]}
		case len(found) > 1:
			return choice{trouble: fmt.Sprintf("%s are all blank disks%s, and which of them is to be the state disk is not to be known\n"+
				"next: name it by path or by size in the recipe, or take the others away", paths(found), wanted.which())}
		}
	}
	return choice{}
}

func several(disks []finding, wanted wish) string {
	return fmt.Sprintf("%s are all %s, and one of them is another's state\n"+
		"next: take all but one away, change a label with e2label, or name the disk by path or by size in the recipe",
		paths(disks), wish{label: wanted.label, uuid: wanted.uuid})
}

// labelled gives those of the broken that are known to be the state disk; what could not be read may be anything.
func labelled(ailing []finding) []finding {
	return slices.DeleteFunc(slices.Clone(ailing), func(each finding) bool { return each.kind == "unknown" })
}

// of gives the findings of one standing.
func of(all []finding, is standing) []finding {
	var found []finding
	for _, each := range all {
		if each.is == is {
			found = append(found, each)
		}
	}
	return found
}

func paths(all []finding) string {
	var names []string
	for _, each := range all {
		names = append(names, each.path)
	}
	return strings.Join(names, " and ")
}

func sentences(all []finding) string {
	var texts []string
	for _, each := range all {
		texts = append(texts, each.String())
	}
	return strings.Join(texts, "\n")
}
