// Command state keeps a node's /var on a disk: it looks for the ext4 file system with the label KUBEISO_STATE, checks it,
// mounts it on /var, and grows it where its disk was enlarged. Whether a node has to have such a disk says its recipe, by the
// arguments; its metadata, which may name the disk by its UUID; and the kernel's command line. A node that has to have one waits
// until it is there. One that need not, and has none, has its /var in memory.
//
// Where the recipe asks for it, a blank disk is made the state disk; nothing else is ever formatted. On the kernel's command line,
// kubeiso.state=off leaves a disk alone, and kubeiso.state=repair mends one that e2fsck does not mend unasked.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"kubeiso.dev/pkg/initrd/blockdev"
)

const target = "/var"

// Exit codes, as of the rest of kubeiso: 2 is a mistake of the user, 4 a failure.
const (
	exitMistake = 2
	exitFailure = 4
)

func main() {
	err := work(os.Args[1:])
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "state: %v\n", err)
	if errors.Is(err, errMistake) {
		os.Exit(exitMistake)
	}
	os.Exit(exitFailure)
}

func work(arguments []string) error {
	cmdline, _ := os.ReadFile("/proc/cmdline")
	wanted, err := allWishes(arguments, given, string(cmdline))
	if err != nil {
		return err
	}
	tell := onConsoles(os.Stderr)
	on := kernel(os.Stderr, tell, usualPauses.atWork)
	from := finder{surveyor{blockdev.Node, blockdev.Probe, blockdev.PartitionType}, on, usualPauses, tell}
	now, err := readRelease(osRelease)
	if err != nil { // another's image: there is nothing to compare
		fmt.Fprintf(os.Stderr, "state: what release this medium is of is not known: %v\n", err)
	}
	return run(wanted, from, target, now, os.Stdout)
}

// allWishes puts together what the recipe, the metadata and the kernel's command line say.
func allWishes(arguments []string, metadata, cmdline string) (wish, error) {
	wanted, err := fromRecipe(arguments)
	if err != nil {
		return wanted, err
	}
	if wanted, err = wanted.named(metadata); err != nil {
		return wanted, err
	}
	return wanted.told(cmdline)
}

// run does it all for a medium of that release. The one line that it writes to out tells where /var is.
func run(wanted wish, from finder, target string, now release, out io.Writer) error {
	inMemory := target + " is in memory and lost at power-off"
	if wanted.need == none {
		_, err := fmt.Fprintf(out, "state: by %s no disk is used: %s\n", wanted.by, inMemory)
		return err
	}
	disk, err := from.find(wanted)
	if err != nil {
		return err
	}
	if disk == nil {
		_, err := fmt.Fprintf(out, "state: no disk labelled %s: %s\n", wanted.label, inMemory)
		return err
	}
	remark, err := from.put(disk, target, wanted, now)
	if err != nil {
		return err
	}
	if err := errors.Join(own(target), forget(target)); err != nil {
		wrong := fmt.Errorf("%s can be mounted, but not written: %w\nnext: %s", disk.path, err, wanted.wayOut())
		return errors.Join(from.unmount(target), wrong) // without it a node comes up for somebody to look at
	}
	_, err = fmt.Fprintf(out, "state: %s (%s) keeps %s%s%s\n", disk.path, disk.kind, target, remark+from.reserve(target), from.room(target))
	return err
}
