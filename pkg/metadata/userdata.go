package main

import (
	"bytes"
	"encoding/base64"
	"path"
	"strings"
)

// userData reads what cloud-init calls user-data in the two forms that a node takes.
func (w *wanted) userData(file string, text []byte) error {
	start := bytes.TrimSpace(text)
	first, _, _ := bytes.Cut(start, []byte("\n"))
	switch {
	case len(start) == 0:
		return nil
	case start[0] == '{':
		return parseTree(file, text, w.entries)
	case string(bytes.TrimSpace(first)) == "#cloud-config":
		return w.cloudConfig(file, text)
	}
	return &mistake{file: file, line: 1, text: `it is neither YAML that begins with the line "#cloud-config" nor LinuxKit's JSON`}
}

// config reads LinuxKit's tree in a file of its own.
func (w *wanted) config(file string, text []byte) error {
	if len(bytes.TrimSpace(text)) == 0 {
		return nil
	}
	return parseTree(file, text, w.entries)
}

func (w *wanted) cloudConfig(file string, text []byte) error {
	keys, err := mapping(file, text)
	if err != nil || keys == nil {
		return err
	}
	if err := w.takeHostname(keys, "hostname"); err != nil {
		return err
	}
	if err := w.takeKeys(keys, "ssh_authorized_keys"); err != nil {
		return err
	}
	if files, given := keys.take("write_files"); given {
		if err := w.writeFiles(files); err != nil {
			return err
		}
	}
	w.ignore(keys)
	return nil
}

// runConfig is where a node's configuration lies; the rest of its root cannot be written.
const runConfig = "/run/config"

func (w *wanted) writeFiles(at value) error {
	files, err := at.list()
	if err != nil {
		return err
	}
	for _, file := range files {
		if err := w.writeFile(file); err != nil {
			return err
		}
	}
	return nil
}

// writeFile takes one entry of cloud-init's write_files.
func (w *wanted) writeFile(at value) error {
	keys, err := at.fields()
	if err != nil {
		return err
	}
	target, err := taken(keys, "path", value.text)
	if err != nil {
		return err
	}
	below, inside := strings.CutPrefix(target, runConfig+"/")
	if !inside || path.Clean(target) != target {
		return at.errorf("path: %q is not below %s, and a node can be written nowhere else", target, runConfig)
	}
	made := entry{mode: defaultFileMode, from: at.file}
	if made.content, err = taken(keys, "content", value.text); err != nil {
		return err
	}
	if made.content, err = decoded(keys, made.content); err != nil {
		return err
	}
	if mode, given := keys.take("permissions"); given {
		text, err := mode.text()
		if err != nil {
			return err
		}
		if made.mode, err = parseMode(strings.TrimPrefix(text, "0o")); err != nil {
			return mode.errorf("%v", err)
		}
	}
	appended, err := taken(keys, "append", value.boolean)
	if err != nil {
		return err
	}
	if appended {
		return at.errorf("append: a node's files are new at each boot, so there is nothing to append to")
	}
	w.ignore(keys)
	if err := w.entries.add(below, made); err != nil {
		return at.errorf("%v", err)
	}
	return nil
}

// decoded is the content as its key "encoding" has it.
func decoded(keys *fields, content string) (string, error) {
	encoding, given := keys.take("encoding")
	if !given {
		return content, nil
	}
	name, err := encoding.text()
	if err != nil {
		return "", err
	}
	switch name {
	case "text/plain":
		return content, nil
	case "b64", "base64":
		plain, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(content), ""))
		if err != nil {
			return "", encoding.errorf("the content is no base64: %v", err)
		}
		return string(plain), nil
	}
	return "", encoding.errorf("%q is not known here; text/plain and b64 are", name)
}
