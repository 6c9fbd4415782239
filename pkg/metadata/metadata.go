package main

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// The files of a volume, from NoCloud's specification; LinuxKit's older name for the last one is "config".
const (
	metaDataFile = "meta-data"
	userDataFile = "user-data"
	networkFile  = "network-config"
	configFile   = "config"
)

var volumeFiles = []string{metaDataFile, userDataFile, networkFile, configFile}

// Where the node's programs look below /run/config.
const (
	hostnameFile  = "hostname"
	keysFile      = "ssh/authorized_keys"
	rawFile       = "userdata"
	staticFolder  = "network/static"
	dynamicFolder = "network/dhcp"
	sixFolder     = "network/ipv6"
)

// outlasting are the files and folders below /run/config that a degraded node has, too.
var outlasting = []string{hostnameFile, "ssh", usersFolder, "state", "ntp"}

// wanted is all that a volume asks of the node, as far as it can be read. `faults` are what can't be honoured; `warnings` what makes
// no difference to the node.
type wanted struct {
	hostname string
	keys     []string
	people   []person
	entries  entries
	netdevs  []*netdev
	// everywhere has the name servers that are those of no interface alone.
	everywhere netdev
	image      image
	// variables are those that user-data may name (cloud-init's documentation, "Instance-data").
	variables map[string]string
	warnings  []string
	faults    []error
}

// parse reads the files of a volume, by their names; each may be missing. What one mistake spoils is no more than it has to be:
// a node that can't be what its author wanted needs its SSH keys and addresses all the more.
func (i image) parse(files map[string][]byte) *wanted {
	all := &wanted{entries: newEntries(), image: i, variables: map[string]string{}}
	for _, each := range []struct {
		name string
		read func(string, []byte)
	}{
		{metaDataFile, all.metaData}, {userDataFile, all.userData}, {configFile, all.config}, {networkFile, all.networkConfig},
	} {
		if text, given := files[each.name]; given {
			each.read(each.name, text)
		}
	}
	all.identify(files)
	all.own(files)
	return all
}

// own adds the files that are not asked for as such.
func (w *wanted) own(files map[string][]byte) {
	add := func(path, content string, mode uint32, from string) {
		if err := w.entries.add(path, entry{content: content, mode: mode, from: from}); err != nil {
			w.fault(&mistake{file: from, text: err.Error()})
		}
	}
	if w.hostname != "" {
		add(hostnameFile, w.hostname+"\n", 0o644, "the node's name in "+metaDataFile+" or "+userDataFile)
	}
	if w.keys != nil {
		text := strings.Join(w.keys, "\n") + "\n"
		if given, found := w.entries.made[keysFile]; found && !given.folder { // both may log in
			given.content = strings.TrimRight(given.content, "\n") + "\n" + text
			w.entries.made[keysFile] = given
		} else {
			add(keysFile, text, 0o600, "the SSH keys in "+metaDataFile+" or "+userDataFile)
		}
	}
	w.addUsers(add)
	// LinuxKit's programs find the whole of it there.
	for _, name := range []string{userDataFile, configFile} {
		if text := files[name]; len(bytes.TrimSpace(text)) > 0 {
			add(rawFile, string(text), 0o600, name)
			break
		}
	}
}

// fault keeps what can't be honoured; nil is none.
func (w *wanted) fault(err error) {
	if err != nil {
		w.faults = append(w.faults, err)
	}
}

func (w *wanted) warn(at value, format string, arguments ...any) {
	w.warnings = append(w.warnings, at.errorf(format, arguments...).Error())
}

// mapping reads a file with one document that is a mapping; nil if there is none that can be read.
func (w *wanted) mapping(file string, text []byte) *fields {
	root, found, err := parseYAML(file, text)
	if err != nil || !found {
		w.fault(err)
		return nil
	}
	keys, err := root.fields()
	w.fault(err)
	return keys
}

func (w *wanted) metaData(file string, text []byte) {
	keys := w.mapping(file, text)
	if keys == nil {
		w.salvage(file, text)
		return
	}
	w.rememberVariables("", keys.of)
	keys.take("instance-id")
	for _, key := range []string{"hostname", "local-hostname"} { // the latter is NoCloud's own word
		w.takeHostname(keys, key)
	}
	w.takeKeys(keys, "public-keys")
	w.ignore(keys)
}

// ignore warns of keys that mean nothing to this node.
func (w *wanted) ignore(keys *fields) {
	for _, each := range keys.rest() {
		w.warn(each, "this node does nothing with it")
	}
}

// refuse tells of keys that are not known, and without which the outcome is another one.
func (w *wanted) refuse(keys *fields) {
	for _, each := range keys.rest() {
		w.fault(each.errorf("this key is not known to a node"))
	}
}

// degrade leaves what lets people in, and which disk is the node's, and nothing else: half of a configuration would make another node
// than its author wanted.
func (w *wanted) degrade() {
	for path := range w.entries.made {
		if folder, _, _ := strings.Cut(path, "/"); !slices.Contains(outlasting, folder) {
			delete(w.entries.made, path)
		}
	}
}

// failure is all faults as one error, without line breaks: it is told in one line.
func (w *wanted) failure() error {
	if w.faults == nil {
		return nil
	}
	return &failure{w.faults}
}

type failure struct{ faults []error }

// maxTold is how many faults a console has room for.
const maxTold = 20

func (f *failure) Error() string {
	var texts []string
	for _, each := range f.faults[:min(len(f.faults), maxTold)] {
		texts = append(texts, strings.Join(strings.Fields(each.Error()), " "))
	}
	if more := len(f.faults) - maxTold; more > 0 {
		texts = append(texts, fmt.Sprintf("and %d more", more))
	}
	return strings.Join(texts, "; ")
}

// Unwrap gives the faults, for errors.As.
func (f *failure) Unwrap() []error { return f.faults }

// isMistake says whether something in the files is wrong, as opposed to what carries them.
func isMistake(err error) bool {
	var wrong *mistake
	return errors.As(err, &wrong)
}
