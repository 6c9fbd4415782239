package main

import (
	"net/netip"
	"regexp"
	"strings"
)

// sourcesFile is where chrony looks for the servers of the metadata, below /run/config.
const sourcesFile = "ntp/metadata.sources"

// hostName is a DNS name (RFC 1123, section 2.1).
var hostName = regexp.MustCompile(`^(?i:[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.?)+$`)

// takeTimeServers reads cloud-init's ntp: the servers, and the names that stand for several each.
func (w *wanted) takeTimeServers(keys *fields) {
	at, given := keys.take("ntp")
	if !given {
		return
	}
	asked, err := at.fields()
	if err != nil {
		w.fault(err)
		return
	}
	enabled := true
	takeInto(w, asked, "enabled", &enabled, value.boolean)
	var lines []string
	for _, kind := range []struct{ key, word string }{{"servers", "server"}, {"pools", "pool"}} {
		if list, given := asked.take(kind.key); given {
			for _, host := range eachOf(w, list, timeServer) {
				lines = append(lines, kind.word+" "+host+" iburst\n")
			}
		}
	}
	w.ignore(asked)
	if !enabled {
		w.warn(at, "a node's clock follows the servers of its recipe and of DHCP all the same")
		return
	}
	if lines != nil {
		w.fault(w.entries.add(sourcesFile, entry{content: strings.Join(lines, ""), mode: 0o644, from: at.file}))
	}
}

// timeServer is a name or an address, and nothing that would be more than one word to chrony.
func timeServer(at value) (string, error) {
	text, err := at.text()
	if err != nil {
		return "", err
	}
	if _, err := netip.ParseAddr(text); err != nil && (len(text) > 253 || !hostName.MatchString(text)) {
		return "", at.errorf("%q is neither a name nor an address", text)
	}
	return text, nil
}
