package main

import (
	"bytes"
	"fmt"
	"regexp"
	"strings"
)

// expression is one of Jinja's, with what a bare name of a variable looks like: words with dots, or in brackets and quotes.
var (
	expression = regexp.MustCompile(`\{\{-?\s*(.*?)\s*-?\}\}`)
	subscript  = regexp.MustCompile(`\[(?:'([^']*)'|"([^"]*)")\]`)
	variable   = regexp.MustCompile(`^[\w.-]+$`)
)

// template takes a cloud-config that cloud-init would render by Jinja first. What stands in it are names of variables, as those who
// make user-data for many machines have them (cloud-init's documentation, "Instance-data"); whatever else Jinja can is a fault.
func (w *wanted) template(file string, text []byte) {
	if at := bytes.Index(text, []byte("{%")); at >= 0 {
		w.fault(&mistake{file: file, line: lineAt(text, at), text: "a statement of Jinja; a node knows variables alone"})
		w.salvage(file, text)
		return
	}
	before := len(w.faults)
	rendered := expression.ReplaceAllFunc(text, func(found []byte) []byte {
		name := string(expression.FindSubmatch(found)[1])
		value, err := w.variable(name)
		if err != nil {
			w.fault(&mistake{file: file, line: lineAt(text, bytes.Index(text, found)), text: err.Error()})
		}
		return []byte(value)
	})
	if len(w.faults) > before {
		w.salvage(file, text)
		return
	}
	w.cloudConfig(file, rendered)
}

func lineAt(text []byte, offset int) int { return 1 + bytes.Count(text[:offset], []byte("\n")) }

// variable is the value of one of cloud-init's variables: of the volume's meta-data (ds.meta_data.KEY), or one of those that every
// source has.
func (w *wanted) variable(name string) (string, error) {
	plain := subscript.ReplaceAllString(name, ".$1$2")
	if !variable.MatchString(plain) {
		return "", fmt.Errorf("{{ %s }}: a node knows variables alone, without filters", name)
	}
	key := underscored(strings.TrimPrefix(plain, "v1."))
	if inner, ofSource := strings.CutPrefix(underscored(plain), "ds.meta_data."); ofSource {
		key = inner
	}
	if value, known := w.variables[key]; known {
		return value, nil
	}
	return "", fmt.Errorf("{{ %s }}: %s has no such thing", name, metaDataFile)
}

// underscored is a name as Jinja can have it; cloud-init knows each key by it, too.
func underscored(name string) string { return strings.ReplaceAll(name, "-", "_") }

// rememberVariables keeps the texts and numbers of meta-data by the names that templates have for them.
func (w *wanted) rememberVariables(prefix string, at value) {
	keys, err := at.fields()
	if err != nil {
		return
	}
	for i, name := range keys.names {
		each, path := keys.values[keys.names[i]], underscored(prefix+name)
		switch text, err := each.text(); {
		case each.isMap():
			w.rememberVariables(prefix+name+".", each)
		case err == nil:
			w.variables[path] = text
		}
	}
	for _, alias := range [][2]string{{"local_hostname", "hostname"}, {"hostname", "local_hostname"}} {
		if _, known := w.variables[alias[0]]; !known && prefix == "" {
			if text, other := w.variables[alias[1]]; other {
				w.variables[alias[0]] = text
			}
		}
	}
}
