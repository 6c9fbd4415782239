package main

import (
	"bytes"
	"compress/gzip"
	"io"
	"strings"
)

const (
	cloudConfigHeader = "#cloud-config"
	jinjaHeader       = "## template: jinja"
)

// otherFormats are the first words of cloud-init's formats that a node can do nothing with.
var otherFormats = []struct{ start, what string }{
	{"#!", "a script, and a node runs none"},
	{"#include", "a list of addresses, and a node fetches nothing"},
	{"#cloud-boothook", "a boothook, and a node runs none"},
	{"#part-handler", "a part-handler, and a node runs none"},
	{"#cloud-config-archive", "an archive of several parts, which a node doesn't take"},
	{"#cloud-config-jsonp", "a list of JSON patches, which a node doesn't take"},
	{"content-type:", "a MIME message, which a node doesn't take"},
	{"mime-version:", "a MIME message, which a node doesn't take"},
	{"from ", "a MIME message, which a node doesn't take"},
}

// userData reads what cloud-init calls user-data in the two forms that a node takes; either may be compressed.
func (w *wanted) userData(file string, text []byte) {
	text, err := unzipped(text)
	if err != nil {
		w.fault(&mistake{file: file, text: err.Error()})
		return
	}
	start := bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	first := firstLine(start)
	switch {
	case len(start) == 0:
	case start[0] == '{':
		w.fault(parseTree(file, text, w.entries))
	case first == cloudConfigHeader:
		w.cloudConfig(file, text)
	case first == jinjaHeader && firstLine(bytes.TrimSpace(start[len(first):])) == cloudConfigHeader:
		w.template(file, text)
	default:
		w.fault(&mistake{file: file, line: 1, text: "it is " + format(first) + "; a node reads YAML that begins with the line \"" +
			cloudConfigHeader + "\", or LinuxKit's JSON"})
		if !strings.HasPrefix(first, "#!") {
			w.salvage(file, text)
		}
	}
}

// firstLine is the first line of a text, without blanks at its ends.
func firstLine(text []byte) string {
	first, _, _ := bytes.Cut(text, []byte("\n"))
	return string(bytes.TrimSpace(first))
}

// format names what a text that begins so is.
func format(first string) string {
	for _, each := range otherFormats {
		if strings.HasPrefix(strings.ToLower(first), each.start) {
			return each.what
		}
	}
	return "in a form that a node doesn't know"
}

// unzipped is a text as it was before gzip, if it was compressed.
func unzipped(text []byte) ([]byte, error) {
	if !isZipped(string(text)) {
		return text, nil
	}
	reader, err := gzip.NewReader(bytes.NewReader(text))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(reader, maxFile+1))
	if err == nil && len(plain) > maxFile {
		err = errTooLarge
	}
	return plain, err
}

// config reads LinuxKit's tree in a file of its own.
func (w *wanted) config(file string, text []byte) {
	if len(bytes.TrimSpace(text)) > 0 {
		w.fault(parseTree(file, text, w.entries))
	}
}

func (w *wanted) cloudConfig(file string, text []byte) {
	keys := w.mapping(file, text)
	if keys == nil {
		w.salvage(file, text)
		return
	}
	w.takeFQDN(keys)
	w.takeKeys(keys, "ssh_authorized_keys")
	w.takeTimeServers(keys)
	if files, given := keys.take("write_files"); given {
		w.writeFiles(files)
	}
	w.takeUsers(keys)
	w.commands(keys)
	w.ignore(keys)
}
