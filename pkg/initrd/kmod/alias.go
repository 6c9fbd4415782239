package kmod

import (
	"path"
	"strings"
)

// aliases finds the modules whose pattern matches a name. Patterns are kept by the text before their first wildcard, so
// that one look-up tries a handful of patterns instead of tens of thousands.
type aliases struct {
	byPrefix map[string][]alias
	lengths  map[int]bool
}

type alias struct{ pattern, module string }

func newAliases() *aliases {
	return &aliases{byPrefix: map[string][]alias{}, lengths: map[int]bool{}}
}

// add puts one line of modules.alias in.
func (a *aliases) add(pattern, module string) {
	pattern = plain(normalise(pattern))
	prefix := pattern
	if wildcard := strings.IndexAny(pattern, `*?[\`); wildcard >= 0 {
		prefix = pattern[:wildcard]
	}
	a.byPrefix[prefix] = append(a.byPrefix[prefix], alias{pattern, normalise(module)})
	a.lengths[len(prefix)] = true
}

// lookup gives the modules that name stands for, each once.
func (a *aliases) lookup(name string) []string {
	name = plain(normalise(name))
	var modules []string
	seen := map[string]bool{}
	for length := range len(name) + 1 {
		if !a.lengths[length] {
			continue
		}
		for _, candidate := range a.byPrefix[name[:length]] {
			if seen[candidate.module] {
				continue
			}
			if match, err := path.Match(candidate.pattern, name); err == nil && match {
				seen[candidate.module] = true
				modules = append(modules, candidate.module)
			}
		}
	}
	return modules
}

// plain hides the slash, which path.Match treats specially and an alias does not.
func plain(text string) string {
	return strings.ReplaceAll(text, "/", "\x01")
}
