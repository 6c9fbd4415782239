package main

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
	"strings"
)

// takeKeys adds SSH keys. Like cloud-init it takes a text with lines, a list, and a map of names to either.
func (w *wanted) takeKeys(keys *fields, name string) {
	for _, key := range w.keysAt(keys, name) {
		w.addKey(key)
	}
}

// keysAt gives what takeKeys takes.
func (w *wanted) keysAt(keys *fields, name string) []string {
	given, found := keys.take(name)
	if !found {
		return nil
	}
	all := []value{given}
	if given.isMap() {
		named, err := given.fields()
		if err != nil {
			w.fault(err)
			return nil
		}
		all = named.rest()
	}
	var lines []string
	for _, each := range all {
		lines = append(lines, w.keysIn(each)...)
	}
	return lines
}

// keysIn gives every key that can be read; each other one is a fault.
func (w *wanted) keysIn(at value) []string {
	var lines []string
	all := []value{at}
	if at.isList() {
		all, _ = at.list()
	}
	for _, each := range all {
		text, err := each.text()
		if err != nil {
			w.fault(err)
			continue
		}
		for line := range strings.Lines(text) {
			if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
				continue
			}
			if !isKey(line) {
				w.fault(each.errorf("this is no SSH public key, such as ssh-ed25519 AAAA... NAME"))
				continue
			}
			lines = append(lines, line)
		}
	}
	return lines
}

func (w *wanted) addKey(line string) {
	if !slices.Contains(w.keys, line) {
		w.keys = append(w.keys, line)
	}
}

// isKey says whether a line has a key: a type and, in base64, a blob that begins with the type once more (RFC 4253, section
// 6.6). Options may come before (sshd(8), AUTHORIZED_KEYS FILE FORMAT).
func isKey(line string) bool {
	words := strings.Fields(line)
	for i := range len(words) - 1 {
		blob, err := base64.StdEncoding.DecodeString(words[i+1])
		if err != nil || len(blob) < 4 {
			continue
		}
		length := int(binary.BigEndian.Uint32(blob))
		if length == len(words[i]) && len(blob) > 4+length && string(blob[4:4+length]) == words[i] {
			return true
		}
	}
	return false
}
