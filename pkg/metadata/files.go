package main

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// runConfig is where a node's configuration lies.
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
	made := entry{mode: defaultFileMode, from: at.file}
	if made.content, err = w.content(at, keys); err != nil {
		return err
	}
	if mode, given := keys.take("permissions"); given {
		if made.mode, err = mode.mode(); err != nil {
			return err
		}
	}
	if owner, given := keys.take("owner"); given {
		w.checkOwner(owner)
	}
	keys.take("defer") // all is written before anything could want it
	appended, err := taken(keys, "append", value.boolean)
	if err != nil {
		return err
	}
	w.ignore(keys)
	below, err := placed(target, appended)
	if err != nil {
		return at.errorf("path: %v", err)
	}
	if before, there := w.entries.made[w.written(target)]; appended && there && !before.folder {
		before.content += made.content
		w.entries.made[w.written(target)] = before
		return nil
	}
	if err := w.entries.add(below, made); err != nil {
		return at.errorf("%v", err)
	}
	return nil
}

// writable are the folders of a node that can be written, besides /run/config.
var writable = []string{"/etc/cni/net.d/", "/etc/kubernetes/", "/opt/", "/run/", "/usr/libexec/kubernetes/kubelet-plugins/", "/var/"}

const authorities = "/etc/kubernetes/pki/"

// placed is where a file lies below /run/config until it comes to its place. Authorities and keys of a cluster lie where kubeadm's
// scripts look for them, since a kubeadm that begins anew begins without any.
func placed(target string, appended bool) (string, error) {
	clean := path.Clean(target) == target && !strings.HasSuffix(target, "/")
	if below, inside := strings.CutPrefix(target, runConfig+"/"); clean && inside {
		return below, nil
	}
	if below, inside := strings.CutPrefix(target, authorities); clean && inside && !appended {
		return "kubeadm/pki/" + below, nil
	}
	if !clean {
		return "", fmt.Errorf("%q is no plain path of a file from the root", target)
	}
	if !slices.ContainsFunc(writable, func(folder string) bool { return strings.HasPrefix(target, folder) }) {
		return "", fmt.Errorf("%q is below none of %s, and a node can be written nowhere else", target,
			strings.ReplaceAll(strings.Join(writable, ", "), "/,", ","))
	}
	if appended {
		return appendFolder + target, nil
	}
	return filesFolder + target, nil
}

// written is where an earlier entry of the same path lies.
func (w *wanted) written(target string) string {
	below, _ := placed(target, false)
	if _, there := w.entries.made[below]; !there && !strings.HasPrefix(target, runConfig+"/") {
		return appendFolder + target
	}
	return below
}

// checkOwner warns of one that a node does not have.
func (w *wanted) checkOwner(at value) {
	text, err := at.text()
	w.fault(err)
	switch user, group, _ := strings.Cut(text, ":"); {
	case err != nil, (user == "root" || user == "0") && (group == "" || group == "root" || group == "0"):
	default:
		w.warn(at, "a node's files are root's")
	}
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
