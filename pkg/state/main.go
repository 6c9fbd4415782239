// Command state keeps a node's /var on a disk: it looks for the ext4 file system with the label KUBEISO_STATE, checks it,
// mounts it on /var, and grows it where its disk was enlarged. A node without such a disk has its /var in memory.
//
// It formats nothing: mkfs.ext4 -L KUBEISO_STATE makes such a disk. On the kernel's command line, kubeiso.state=off leaves a
// disk alone, and kubeiso.state=repair mends one that e2fsck does not mend unasked.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	target   = "/var"
	argument = "kubeiso.state"
	// fromMemory is a way out of every trouble with a disk; the kubelet's container has e2fsck and debugfs's relatives.
	fromMemory = "start with " + argument + "=off to run from memory"
	inMemory   = target + " is in memory and lost at power-off"
)

// Exit codes, as of the rest of kubeiso: 2 is a mistake of the user, 4 a failure.
const (
	exitMistake = 2
	exitFailure = 4
)

// errArgument says that the kernel's command line has a word that this program does not know.
var errArgument = errors.New(argument + " is neither off nor repair")

func main() {
	cmdline, _ := os.ReadFile("/proc/cmdline")
	err := run(string(cmdline), finder{"/sys", "/dev"}, kernel(os.Stderr), target, os.Stdout)
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "state: %v\n", err)
	if errors.Is(err, errArgument) {
		os.Exit(exitMistake)
	}
	os.Exit(exitFailure)
}

// run does it all. The one line that it writes to out tells where /var is.
func run(cmdline string, from finder, on system, target string, out io.Writer) error {
	wish := valueOf(cmdline, argument)
	if wish != "" && wish != "off" && wish != "repair" {
		return fmt.Errorf("%w: %s", errArgument, wish)
	}
	if wish == "off" {
		_, err := fmt.Fprintf(out, "state: %s=off: %s\n", argument, inMemory)
		return err
	}
	chosen, err := from.find()
	if err != nil {
		return err
	}
	if chosen == nil {
		_, err := fmt.Fprintf(out, "state: no disk labelled %s: %s\n", label, inMemory)
		return err
	}
	remark, err := on.put(chosen, target, wish == "repair")
	if err != nil {
		return err
	}
	if err := errors.Join(own(target), forget(target)); err != nil {
		return fmt.Errorf("%s is mounted, but can't be written: %w\nnext: %s", chosen.path, err, fromMemory)
	}
	_, err = fmt.Fprintf(out, "state: %s (%s) keeps %s%s\n", chosen.path, label, target, remark)
	return err
}

// valueOf gives the value of the last "key=value" of a command line, or nothing.
func valueOf(cmdline, key string) string {
	value := ""
	for _, word := range strings.Fields(cmdline) {
		if name, found, ok := strings.Cut(word, "="); ok && name == key {
			value = found
		}
	}
	return value
}
