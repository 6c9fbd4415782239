package main

import (
	"path"
	"strings"
)

// runConfig is where a node's configuration lies; the rest of its root cannot be written.
const runConfig = "/run/config"

func (w *wanted) writeFiles(at value) {
	files, err := at.list()
	w.fault(err)
	for _, file := range files {
		w.fault(w.writeFile(file))
	}
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
	if made.content, err = w.content(at, keys); err != nil {
		return err
	}
	if mode, given := keys.take("permissions"); given {
		if made.mode, err = mode.mode(); err != nil {
			return err
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

// content is what an entry's file holds: nothing where it has no content, as with cloud-init. What is to be fetched from elsewhere
// can't be; its content is what cloud-init falls back on.
func (w *wanted) content(at value, keys *fields) (string, error) {
	_, given := keys.values["content"]
	if source, fetched := keys.take("source"); fetched {
		if !given {
			return "", source.errorf("a node fetches nothing; give the file's text in content")
		}
		w.warn(source, "a node fetches nothing; the file gets its content")
	}
	text, err := taken(keys, "content", value.text)
	if err != nil {
		return "", err
	}
	encoding, encoded := keys.take("encoding")
	if !encoded {
		return text, nil
	}
	return decoded(encoding, text)
}

// decoded is a content as its key "encoding" has it. The names are cloud-init's.
func decoded(encoding value, content string) (string, error) {
	name, err := encoding.text()
	if err != nil {
		return "", err
	}
	zipped := false
	switch strings.ToLower(strings.TrimSpace(name)) {
	case "text/plain":
		return content, nil
	case "b64", "base64":
	case "gz", "gzip", "gz+b64", "gz+base64", "gzip+b64", "gzip+base64":
		zipped = true
	default:
		return "", encoding.errorf("%q is not known here; text/plain, b64, gz and gz+b64 are", name)
	}
	// In YAML, what is compressed is in base64 as well, or has the tag !!binary, which was read already.
	if !strings.HasPrefix(content, "\x1f\x8b") {
		if content, err = unBase64(content); err != nil {
			return "", encoding.errorf("the content is no base64: %v", err)
		}
	}
	if !zipped {
		return content, nil
	}
	plain, err := unzipped([]byte(content))
	if err == nil && !strings.HasPrefix(content, "\x1f\x8b") {
		err = errNotZipped
	}
	if err != nil {
		return "", encoding.errorf("the content can't be unpacked: %v", err)
	}
	return string(plain), nil
}
