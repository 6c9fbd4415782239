// Command modprobe loads kernel modules by name or alias. The kernel itself starts it, as /sbin/modprobe, when a file system,
// a protocol or a table is used for the first time.
package main

import (
	"errors"
	"fmt"
	"os"
	"strings"

	"kubeiso.dev/pkg/initrd/kmod"
)

// request is what the command line asks for.
type request struct {
	modules []string
	all     bool // every word is a module; else the words after the first are its parameters
	quiet   bool
	remove  bool
}

// parse reads "modprobe [-abqv] NAME..."; long options and those that change nothing here are accepted.
func parse(arguments []string) request {
	var parsed request
	for i, word := range arguments {
		switch {
		case word == "--":
			parsed.modules = append(parsed.modules, arguments[i+1:]...)
			return parsed.finish()
		case strings.HasPrefix(word, "--"):
			parsed.all = parsed.all || word == "--all"
			parsed.quiet = parsed.quiet || word == "--quiet"
			parsed.remove = parsed.remove || word == "--remove"
		case strings.HasPrefix(word, "-"):
			parsed.all = parsed.all || strings.Contains(word, "a")
			parsed.quiet = parsed.quiet || strings.Contains(word, "q")
			parsed.remove = parsed.remove || strings.Contains(word, "r")
		default:
			parsed.modules = append(parsed.modules, word)
		}
	}
	return parsed.finish()
}

// finish drops parameters: they come from modprobe.d and the kernel's command line only.
func (r request) finish() request {
	if !r.all && len(r.modules) > 1 {
		r.modules = r.modules[:1]
	}
	return r
}

// load loads all modules; one that is built in is no error.
func load(modules []string) error {
	cmdline, _ := os.ReadFile("/proc/cmdline")
	loader, err := kmod.NewLoader(string(cmdline))
	if err != nil {
		return err
	}
	var failures []error
	for _, name := range modules {
		if err := loader.Load(name); err != nil && !present(name) {
			failures = append(failures, err)
		}
	}
	return errors.Join(failures...)
}

// present says whether the kernel has a module, loaded or built in.
func present(name string) bool {
	_, err := os.Stat("/sys/module/" + strings.ReplaceAll(name, "-", "_"))
	return err == nil
}

func main() {
	parsed := parse(os.Args[1:])
	err := errors.New("modules are not removed from a running node")
	if !parsed.remove {
		err = load(parsed.modules)
	}
	if err == nil {
		return
	}
	if !parsed.quiet {
		fmt.Fprintln(os.Stderr, "modprobe:", err)
	}
	os.Exit(1)
}
