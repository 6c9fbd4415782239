package kmod

import (
	"bufio"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Index is what depmod knows of one kernel's modules.
type Index struct {
	modules map[string]module
	aliases *aliases
	soft    map[string]softdep
}

// module is a file, relative to the index's folder, and the files that must be loaded before it, first one first.
type module struct {
	path   string
	before []string
}

// softdep holds names or aliases that are wanted, if they exist, before and after a module.
type softdep struct{ pre, post []string }

// ReadIndex reads the index in dir. Missing files are no error (a kernel without modules has none); others are.
func ReadIndex(dir string) (*Index, error) {
	index := &Index{modules: map[string]module{}, aliases: newAliases(), soft: map[string]softdep{}}
	return index, errors.Join(
		eachLine(filepath.Join(dir, "modules.dep"), index.addDependencies),
		eachLine(filepath.Join(dir, "modules.alias"), index.addAlias),
		eachLine(filepath.Join(dir, "modules.softdep"), index.addSoftdep),
	)
}

// Has says whether a module of that name is in the index.
func (i *Index) Has(name string) bool {
	_, found := i.modules[normalise(name)]
	return found
}

// addDependencies takes "kernel/a.ko: kernel/b.ko kernel/c.ko": c is needed by b or a, so the last comes first.
func (i *Index) addDependencies(line string) {
	path, needed, found := strings.Cut(line, ":")
	if !found {
		return
	}
	before := strings.Fields(needed)
	slices.Reverse(before)
	i.modules[nameOf(path)] = module{path: path, before: before}
}

// addAlias takes "alias PATTERN MODULE".
func (i *Index) addAlias(line string) {
	if words := strings.Fields(line); len(words) == 3 && words[0] == "alias" {
		i.aliases.add(words[1], words[2])
	}
}

// addSoftdep takes "softdep MODULE pre: A B post: C".
func (i *Index) addSoftdep(line string) {
	words := strings.Fields(line)
	if len(words) < 2 || words[0] != "softdep" {
		return
	}
	name := normalise(words[1])
	wanted := i.soft[name]
	var list *[]string
	for _, word := range words[2:] {
		switch {
		case word == "pre:":
			list = &wanted.pre
		case word == "post:":
			list = &wanted.post
		case list != nil:
			*list = append(*list, word)
		}
	}
	i.soft[name] = wanted
}

// resolve gives the modules meant by a name or an alias; none if there are none.
func (i *Index) resolve(name string) []string {
	if i.Has(name) {
		return []string{normalise(name)}
	}
	return i.aliases.lookup(name)
}

// eachLine calls use for every line of a file that is neither empty nor a comment. A missing file has no lines.
func eachLine(path string, use func(line string)) error {
	file, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		if line := strings.TrimSpace(scanner.Text()); line != "" && line[0] != '#' {
			use(line)
		}
	}
	return scanner.Err()
}
