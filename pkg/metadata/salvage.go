package main

import (
	"bytes"
	"strings"
)

// salvage takes the node's name and SSH keys from a file that as a whole can't be read: each key of its top level stands in lines of
// its own, and is read by itself. Nothing else is taken, and no further fault told.
func (w *wanted) salvage(file string, text []byte) {
	found := &wanted{entries: newEntries()}
	for _, block := range blocks(text) {
		root, given, err := parseYAML(file, block)
		if err != nil || !given || !root.isMap() {
			continue
		}
		keys, err := root.fields()
		if err != nil {
			continue
		}
		found.takeFQDN(keys)
		found.takeHostname(keys, "local-hostname")
		found.takeKeys(keys, "ssh_authorized_keys")
		found.takeKeys(keys, "public-keys")
		found.takeUsers(keys)
	}
	if found.hostname != "" {
		w.hostname = found.hostname
	}
	for _, key := range found.keys {
		w.addKey(key)
	}
	for _, each := range found.people {
		w.addPerson(each)
	}
}

// blocks cuts a text before each line that begins a key of the top level: one that is not indented, no comment and no list's entry.
func blocks(text []byte) [][]byte {
	var all [][]byte
	var block []byte
	for line := range bytes.Lines(text) {
		begins := !strings.ContainsAny(string(line[:1]), " \t#\r\n") && !bytes.HasPrefix(line, []byte("- "))
		if begins {
			all, block = append(all, block), nil
		}
		block = append(block, line...)
	}
	return append(all, block)
}
