// Package kmod loads kernel modules with what they need, by name or by a device's modalias.
//
// It reads the index that depmod makes under /lib/modules/RELEASE (modules.dep, modules.alias, modules.softdep; formats in
// modules.dep(5), depmod(8)) and the settings of modprobe.d(5). No program is started.
package kmod

import (
	"path/filepath"
	"strings"
)

// normalise gives the kernel's spelling of a module's name or alias: "-" and "_" are the same, except inside brackets.
func normalise(name string) string {
	if !strings.Contains(name, "-") {
		return name
	}
	inBrackets := false
	return strings.Map(func(char rune) rune {
		switch {
		case char == '[':
			inBrackets = true
		case char == ']':
			inBrackets = false
		case char == '-' && !inBrackets:
			return '_'
		}
		return char
	}, name)
}

// nameOf gives the name of the module in a file: kernel/fs/nls/nls_cp437.ko.xz is nls_cp437.
func nameOf(path string) string {
	name, _, _ := strings.Cut(filepath.Base(path), ".")
	return normalise(name)
}
