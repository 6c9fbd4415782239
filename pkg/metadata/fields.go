package main

import (
	"slices"

	"go.yaml.in/yaml/v3"
)

// maxMerged bounds the mappings and keys that merge keys bring into one mapping: a few lines of YAML can ask for billions.
const maxMerged = 10_000

// fields are the keys of a mapping that nobody has asked for yet, in the order of the file. A key without a value counts as
// not given.
type fields struct {
	of     value
	names  []string
	values map[string]value
	merged int
}

// fields gives the keys of a mapping. Merge keys ("<<") mean what they mean to cloud-init: keys of the mapping itself win, then
// those of mappings that stand first.
func (v value) fields() (*fields, error) {
	if !v.isMap() {
		return nil, v.errorf("keys with values are expected here")
	}
	found := &fields{of: v, values: map[string]value{}}
	if err := found.addOwn(); err != nil {
		return nil, err
	}
	return found, found.addMerged(v, map[*yaml.Node]bool{})
}

// pairs calls see for each key and value of a mapping, the merge keys or all others.
func (v value) pairs(merge bool, see func(key *yaml.Node, at value) error) error {
	content := v.resolved().Content
	for i := 0; i < len(content); i += 2 {
		key := value{v.file, v.path, content[i]}.resolved()
		if key.Kind != yaml.ScalarNode {
			return v.errorf("a key must be a text")
		}
		if isMerge := key.ShortTag() == "!!merge"; isMerge != merge {
			continue
		}
		if err := see(key, value{v.file, joined(v.path, key.Value), content[i+1]}); err != nil {
			return err
		}
	}
	return nil
}

func (f *fields) addOwn() error {
	return f.of.pairs(false, func(key *yaml.Node, at value) error {
		if _, twice := f.values[key.Value]; twice {
			return value{at.file, at.path, key}.errorf("the key is there twice")
		}
		f.add(key.Value, at)
		return nil
	})
}

// addMerged adds what the merge keys of a mapping name, and those of what they name. within: the mappings that it is in.
func (f *fields) addMerged(from value, within map[*yaml.Node]bool) error {
	if within[from.resolved()] {
		return from.errorf("<< leads to itself")
	}
	within[from.resolved()] = true
	defer delete(within, from.resolved())
	return from.pairs(true, func(_ *yaml.Node, at value) error {
		sources := []value{at}
		if at.isList() {
			sources, _ = at.list()
		}
		for _, source := range sources {
			if f.merged++; f.merged > maxMerged { // empty ones cost, too
				return source.errorf("<< brings more than %d keys", maxMerged)
			}
			if !source.isMap() {
				return source.errorf("<< takes a mapping, or a list of such")
			}
			if err := f.addFrom(source, within); err != nil {
				return err
			}
		}
		return nil
	})
}

func (f *fields) addFrom(source value, within map[*yaml.Node]bool) error {
	err := source.pairs(false, func(key *yaml.Node, at value) error {
		if f.merged++; f.merged > maxMerged {
			return source.errorf("<< brings more than %d keys", maxMerged)
		}
		if _, given := f.values[key.Value]; !given {
			f.add(key.Value, value{at.file, joined(f.of.path, key.Value), at.node})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return f.addMerged(source, within)
}

func (f *fields) add(name string, at value) {
	f.names = append(f.names, name)
	f.values[name] = at
}

// take gives the value of a key and counts it as asked for.
func (f *fields) take(key string) (value, bool) {
	found, given := f.values[key]
	f.names = slices.DeleteFunc(f.names, func(name string) bool { return name == key })
	return found, given && !found.isNull()
}

// rest gives what was not asked for.
func (f *fields) rest() []value {
	var left []value
	for _, name := range f.names {
		left = append(left, f.values[name])
	}
	return left
}

// taken reads the value of a key with read, if it is given.
func taken[T any](f *fields, key string, read func(value) (T, error)) (T, error) {
	if found, given := f.take(key); given {
		return read(found)
	}
	var none T
	return none, nil
}

// takeInto reads the value of a key. A mistake in it is a fault, and leaves the target as it was.
func takeInto[T any](w *wanted, keys *fields, key string, into *T, read func(value) (T, error)) {
	found, given := keys.take(key)
	if !given {
		return
	}
	made, err := read(found)
	if err != nil {
		w.fault(err)
		return
	}
	*into = made
}

// eachOf reads the entries of a list; one that can't be read is a fault and left out.
func eachOf[T any](w *wanted, at value, read func(value) (T, error)) []T {
	all, err := at.list()
	if err != nil {
		w.fault(err)
	}
	var made []T
	for _, each := range all {
		one, err := read(each)
		if err != nil {
			w.fault(err)
			continue
		}
		made = append(made, one)
	}
	return made
}
