// Command metadata gives a node what is its own: it fetches what the kernel's command line or the machine's serial number leads to
// (ds=nocloud;s=URL), or reads what the hypervisor holds for it (QEMU's firmware configuration, VMware's guestinfo), or the volume with
// the label cidata, or a config drive, or an OVF environment, writes the node's name, SSH keys and configuration below /run/config, and
// sets static addresses. A node without any of them keeps what its image has.
//
// A volume with the label cidata has NoCloud's files meta-data, user-data and network-config, and perhaps LinuxKit's config. What can't
// be honoured in them ends the program with its reasons, after it has done what lets people in: the node's name, SSH keys, and
// addresses, as far as they could be read. The node's configuration is not written then, since half of it would make another node
// than its author wanted.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
)

// Exit codes, as of the rest of kubeiso: 2 is a mistake of the user, 4 a failure.
const (
	exitMistake = 2
	exitFailure = 4
)

// options are the program's arguments.
type options struct {
	from, root, proc, sys string
	dryRun                bool
}

func main() {
	given := options{proc: "/proc", sys: "/sys"}
	flag.StringVar(&given.from, "from", "", "read the files in this `directory`, not those of a volume")
	flag.StringVar(&given.root, "root", "/", "write below this `directory`")
	flag.BoolVar(&given.dryRun, "dry-run", false, "leave the network interfaces alone, and take each that is asked for as there")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(exitMistake)
	}
	if err := run(given, kernel{given.sys}, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "metadata: %v\n", err)
		if isMistake(err) {
			os.Exit(exitMistake)
		}
		os.Exit(exitFailure)
	}
}

func run(given options, on host, out, warnings io.Writer) error {
	if err := writeResolver(given.root, nil); err != nil {
		return err
	}
	if !given.dryRun {
		if err := markHypervisor(given, onVMware); err != nil {
			return err
		}
	}
	held, err := load(given, on)
	if errors.Is(err, errNoVolume) {
		fmt.Fprintf(out, "metadata: %v: the node keeps its image's configuration\n", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", held.source, err)
	}
	all := image(given.root).parse(held.files)
	all.faults = append(all.faults, held.faults...)
	warn := func(text string) { fmt.Fprintf(warnings, "metadata: warning: %s: %s\n", held.source, text) }
	if held.others != nil {
		warn(fmt.Sprintf("files that are not read: %q", held.others))
	}
	done, err := all.carryOut(given, on, warn)
	if err != nil {
		return fmt.Errorf("%s: %w", held.source, err)
	}
	for _, text := range all.warnings[:min(len(all.warnings), maxTold)] {
		warn(text)
	}
	if more := len(all.warnings) - maxTold; more > 0 {
		warn(fmt.Sprintf("and %d more of the kind", more))
	}
	fmt.Fprintf(out, "metadata: %s: %s\n", held.source, all.summary(done))
	if err := all.failure(); err != nil {
		return fmt.Errorf("%s: %w", held.source, err)
	}
	return nil
}

// carryOut configures the network, then writes the files; after a fault, those alone that let people in.
func (w *wanted) carryOut(given options, on host, warn func(string)) (done []applied, err error) {
	if given.dryRun {
		done = onPaper(w.netdevs)
	} else {
		var faults []error
		done, faults = apply(on, w.netdevs, linkTimeout, warn)
		w.faults = append(w.faults, faults...)
	}
	if w.faults != nil {
		w.degrade()
		done = withAddresses(done)
	}
	if err := writeEntries(given.root, w.entries); err != nil {
		return nil, err
	}
	return done, writeNetwork(given.root, done, &w.everywhere)
}

// withAddresses leaves the interfaces that have got addresses, and those that are made of others, with their parts: a DHCP client
// shall ask for the addresses of all others.
func withAddresses(done []applied) []applied {
	var left []applied
	for _, each := range done {
		if each.whole && (len(each.from.addresses) > 0 || each.from.virtual != nil || isPart(each.from, done)) {
			left = append(left, each)
		}
	}
	return left
}

// isPart says whether an interface is part of one that is there.
func isPart(of *netdev, done []applied) bool {
	return slices.ContainsFunc(done, func(each applied) bool { return each.whole && each.from == of.partOf })
}
