package kmod

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
)

// Options are the administrator's wishes about modules.
type Options struct {
	denied     map[string]bool
	parameters map[string][]string
}

// ReadOptions reads every *.conf of a modprobe.d folder in name order, then the kernel's command line, where
// modprobe.blacklist=A,B and MODULE.PARAMETER=VALUE count.
func ReadOptions(dir, cmdline string) (*Options, error) {
	options := &Options{denied: map[string]bool{}, parameters: map[string][]string{}}
	files, err := filepath.Glob(filepath.Join(dir, "*.conf"))
	for _, file := range files {
		err = errors.Join(err, eachLine(file, options.addLine))
	}
	for _, word := range strings.Fields(cmdline) {
		options.addArgument(word)
	}
	return options, err
}

// Denied says whether a module may not be loaded by an alias. Loading it by its name stays possible.
func (o *Options) Denied(name string) bool { return o.denied[normalise(name)] }

// Parameters gives the text that the kernel gets with the module.
func (o *Options) Parameters(name string) string {
	return strings.Join(o.parameters[normalise(name)], " ")
}

// addLine takes "blacklist MODULE" and "options MODULE PARAMETER=VALUE ...".
func (o *Options) addLine(line string) {
	words := strings.Fields(line)
	switch {
	case len(words) == 2 && words[0] == "blacklist":
		o.denied[normalise(words[1])] = true
	case len(words) > 2 && words[0] == "options":
		o.addParameters(words[1], words[2:]...)
	}
}

func (o *Options) addArgument(word string) {
	key, value, _ := strings.Cut(word, "=")
	if key == "modprobe.blacklist" {
		for name := range strings.SplitSeq(value, ",") {
			o.denied[normalise(name)] = true
		}
		return
	}
	if name, parameter, dotted := strings.Cut(word, "."); dotted && strings.Contains(key, ".") {
		o.addParameters(name, parameter)
	}
}

func (o *Options) addParameters(name string, parameters ...string) {
	name = normalise(name)
	o.parameters[name] = slices.Concat(o.parameters[name], parameters)
}
