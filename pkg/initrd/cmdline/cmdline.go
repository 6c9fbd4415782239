// Package cmdline reads the kernel's command line.
package cmdline

import (
	"iter"
	"strings"
)

// Values are those of every "key=value", in their order.
func Values(text, key string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for word := range strings.FieldsSeq(text) {
			if value, found := strings.CutPrefix(word, key+"="); found && !yield(value) {
				return
			}
		}
	}
}

// Value is that of the last "key=value", or nothing.
func Value(text, key string) string {
	last := ""
	for value := range Values(text, key) {
		last = value
	}
	return last
}
