package main

import (
	"bytes"
	"regexp"
	"strings"
)

// The files of a volume, from NoCloud's specification; LinuxKit's older name for the last one is "config".
const (
	metaDataFile = "meta-data"
	userDataFile = "user-data"
	networkFile  = "network-config"
	configFile   = "config"
)

// Where the node's programs look below /run/config.
const (
	hostnameFile = "hostname"
	keysFile     = "ssh/authorized_keys"
	rawFile      = "userdata"
	staticFolder = "network/static"
)

// wanted is all that a volume asks of the node.
type wanted struct {
	hostname  string
	keys      []string
	entries   entries
	ethernets []*ethernet
	warnings  []string
}

// parse reads the files of a volume, by their names; each may be missing. It gives the first mistake of each file.
func parse(files map[string][]byte) (*wanted, []error) {
	all := &wanted{entries: entries{}}
	var mistakes []error
	for _, each := range []struct {
		name string
		read func(string, []byte) error
	}{
		{metaDataFile, all.metaData}, {userDataFile, all.userData}, {configFile, all.config}, {networkFile, all.networkConfig},
	} {
		if text, given := files[each.name]; given {
			if err := each.read(each.name, text); err != nil {
				mistakes = append(mistakes, err)
			}
		}
	}
	if mistakes == nil {
		mistakes = all.own(files)
	}
	return all, mistakes
}

// own adds the files that are not asked for as such.
func (w *wanted) own(files map[string][]byte) (mistakes []error) {
	add := func(path, content string, mode uint32, from string) {
		if err := w.entries.add(path, entry{content: content, mode: mode, from: from}); err != nil {
			mistakes = append(mistakes, &mistake{file: from, text: err.Error()})
		}
	}
	if w.hostname != "" {
		add(hostnameFile, w.hostname+"\n", 0o644, "the node's name in "+metaDataFile+" or "+userDataFile)
	}
	if w.keys != nil {
		add(keysFile, strings.Join(w.keys, "\n")+"\n", 0o600, "the SSH keys in "+metaDataFile+" or "+userDataFile)
	}
	// LinuxKit's programs find the whole of it there.
	for _, name := range []string{userDataFile, configFile} {
		if text := files[name]; len(bytes.TrimSpace(text)) > 0 {
			add(rawFile, string(text), 0o600, name)
			break
		}
	}
	return mistakes
}

func (w *wanted) warn(at value, format string, arguments ...any) {
	w.warnings = append(w.warnings, at.errorf(format, arguments...).Error())
}

func (w *wanted) metaData(file string, text []byte) error {
	keys, err := mapping(file, text)
	if err != nil || keys == nil {
		return err
	}
	keys.take("instance-id")
	for _, key := range []string{"hostname", "local-hostname"} { // the latter is NoCloud's own word
		if err := w.takeHostname(keys, key); err != nil {
			return err
		}
	}
	if err := w.takeKeys(keys, "public-keys"); err != nil {
		return err
	}
	w.ignore(keys)
	return nil
}

func (w *wanted) takeHostname(keys *fields, key string) error {
	name, err := taken(keys, key, hostname)
	if err == nil && name != "" {
		w.hostname = name
	}
	return err
}

// ignore warns of keys that mean nothing to this node.
func (w *wanted) ignore(keys *fields) {
	for _, each := range keys.rest() {
		w.warn(each, "this node does nothing with it")
	}
}

// A node's name is a DNS name, since Kubernetes takes nothing else (RFC 1123, section 2.1); Linux takes 64 characters.
var dnsName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?(\.[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)*$`)

func hostname(at value) (string, error) {
	name, err := at.text()
	if err != nil {
		return "", err
	}
	if !dnsName.MatchString(name) || len(name) > 64 {
		return "", at.errorf("%q is no name for a node: it takes a-z, 0-9 and -, in parts divided by dots", name)
	}
	return name, nil
}
