package main

import (
	"fmt"
	"strings"
)

// Kubernetes makes a node's name the value of a label (kubernetes.io/hostname), which has no more than 63 characters; Linux takes 64.
const maxHostname = 63

func (w *wanted) takeHostname(keys *fields, key string) {
	given, found := keys.take(key)
	if !found {
		return
	}
	text, err := given.text()
	if err != nil {
		w.fault(err)
		return
	}
	w.setHostname(given, text)
}

// takeFQDN takes the node's name as cloud-init does: without `hostname` it is the first part of `fqdn`, and all of that where
// `prefer_fqdn_over_hostname` says so.
func (w *wanted) takeFQDN(keys *fields) {
	prefer := false
	takeInto(w, keys, "prefer_fqdn_over_hostname", &prefer, value.boolean)
	given, found := keys.take("fqdn")
	if found {
		text, err := given.text()
		switch short, _, _ := strings.Cut(text, "."); {
		case err != nil:
			w.fault(err)
		case prefer:
			keys.take("hostname")
			w.setHostname(given, text)
			return
		default:
			w.setHostname(given, short)
		}
	}
	w.takeHostname(keys, "hostname")
}

// setHostname takes a name. A node's name is a DNS name, since Kubernetes takes nothing else (RFC 1123, section 2.1): capitals and
// a dot at the end are mended, with a word; what else is wrong is a fault.
func (w *wanted) setHostname(at value, given string) {
	name := strings.TrimSuffix(strings.ToLower(given), ".")
	if err := checkHostname(name); err != nil {
		w.fault(at.errorf("%q is no name for a node: %v", given, err))
		return
	}
	if name != given {
		w.warn(at, "the node is called %s: Kubernetes takes names in small letters, without a dot at the end", name)
	}
	w.hostname = name
}

func checkHostname(name string) error {
	if len(name) > maxHostname {
		return fmt.Errorf("it has %d characters, and %d are the limit", len(name), maxHostname)
	}
	for _, part := range strings.Split(name, ".") {
		if part == "" {
			return fmt.Errorf("it has an empty part")
		}
		for _, char := range part {
			if !strings.ContainsRune("abcdefghijklmnopqrstuvwxyz0123456789-", char) {
				return fmt.Errorf("it has %q, and a-z, 0-9 and - are all that it takes, in parts divided by dots", char)
			}
		}
		if strings.HasPrefix(part, "-") || strings.HasSuffix(part, "-") {
			return fmt.Errorf("its part %q begins or ends with a dash", part)
		}
	}
	return nil
}
