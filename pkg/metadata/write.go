package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// writeEntries makes the files and folders below /run/config of root. The folder itself is root's alone.
func writeEntries(root string, all entries) error {
	base := filepath.Join(root, runConfig)
	if err := os.MkdirAll(base, 0o700); err != nil {
		return err
	}
	if err := os.Chmod(base, 0o700); err != nil {
		return err
	}
	paths := slices.Sorted(maps.Keys(all.made))
	for _, path := range paths {
		if err := all.made[path].write(filepath.Join(base, path)); err != nil {
			return err
		}
	}
	// Folders get their modes last: one may forbid to write in it.
	for _, path := range slices.Backward(paths) {
		if made := all.made[path]; made.folder {
			if err := os.Chmod(filepath.Join(base, path), os.FileMode(made.mode)); err != nil {
				return err
			}
		}
	}
	return nil
}

// write makes a file with its own mode, whatever the umask is, or a folder.
func (e entry) write(target string) error {
	if e.folder {
		return os.MkdirAll(target, defaultFolderMode)
	}
	return writeFile(target, e.content, os.FileMode(e.mode))
}

func writeFile(target, content string, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(target), defaultFolderMode); err != nil {
		return err
	}
	file, err := os.OpenFile(target, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := file.Chmod(mode); err != nil {
		return err
	}
	if _, err := file.WriteString(content); err != nil {
		return err
	}
	return file.Close()
}

// writeNetwork leaves word of what was configured: a file for each interface that DHCP shall leave alone, for each that
// it shall take though it is no card, for each that gets addresses of IPv6 by itself, and name servers.
func writeNetwork(root string, done []applied, everywhere *netdev) error {
	netdevs := []*netdev{everywhere}
	for _, each := range done {
		netdevs = append(netdevs, each.from)
		if each.from.six != "" && each.from.partOf == nil {
			if err := writeFile(filepath.Join(root, runConfig, sixFolder, each.name), string(each.from.six)+"\n", 0o644); err != nil {
				return err
			}
		}
		folder := staticFolder
		if each.from.dhcp {
			if folder = dynamicFolder; each.from.virtual == nil { // the client takes cards by itself
				continue
			}
		}
		file := filepath.Join(root, runConfig, folder, each.name)
		if err := writeFile(file, each.from.String()+"\n", 0o644); err != nil {
			return err
		}
	}
	return writeResolver(root, netdevs)
}

// summary tells in one line what the node got; never what is in the files, which may be secret.
func (w *wanted) summary(done []applied) string {
	var parts []string
	if w.hostname != "" {
		parts = append(parts, "name "+w.hostname)
	}
	if len(w.keys) > 0 {
		parts = append(parts, fmt.Sprintf("SSH keys: %d", len(w.keys)))
	}
	for _, path := range slices.Sorted(maps.Keys(w.entries.made)) {
		if !w.entries.made[path].folder {
			parts = append(parts, path)
		}
	}
	for _, each := range done {
		parts = append(parts, fmt.Sprintf("%s: %s", each.name, each.from))
	}
	return strings.Join(parts, "; ")
}
