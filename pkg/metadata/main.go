// Command metadata gives a node what is its own: it reads the volume with the label cidata, writes the node's name, SSH keys
// and configuration below /run/config, and sets static addresses. A node without such a volume keeps what its image has.
//
// A volume has NoCloud's files meta-data, user-data and network-config, and perhaps LinuxKit's config. A mistake in them ends
// the program before anything is written, since a node with half of its configuration would be worse than none.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"

	"kubeiso.dev/pkg/initrd/blockdev"
)

// Exit codes, as of the rest of kubeiso: 2 is a mistake of the user, 4 a failure.
const (
	exitMistake = 2
	exitFailure = 4
)

// options are the program's arguments.
type options struct {
	from, root string
	dryRun     bool
}

func main() {
	var given options
	flag.StringVar(&given.from, "from", "", "read the files in this `directory`, not those of a volume")
	flag.StringVar(&given.root, "root", "/", "write below this `directory`")
	flag.BoolVar(&given.dryRun, "dry-run", false, "leave the network interfaces alone, and take each that is asked for as there")
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(exitMistake)
	}
	if err := run(given, kernel{"/sys"}, os.Stdout, os.Stderr); err != nil {
		fmt.Fprintf(os.Stderr, "metadata: %v\n", err)
		var wrong *mistake
		if errors.As(err, &wrong) {
			os.Exit(exitMistake)
		}
		os.Exit(exitFailure)
	}
}

func run(given options, on host, out, warnings io.Writer) error {
	source, files, others, err := load(given)
	if errors.Is(err, errNoVolume) {
		fmt.Fprintf(out, "metadata: %v: the node keeps its image's configuration\n", err)
		return nil
	}
	if err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	all, mistakes := parse(files)
	if mistakes != nil {
		return fmt.Errorf("%s: %w", source, errors.Join(mistakes...))
	}
	warn := func(text string) { fmt.Fprintf(warnings, "metadata: warning: %s: %s\n", source, text) }
	for _, text := range all.warnings {
		warn(text)
	}
	if others != nil {
		warn(fmt.Sprintf("files that are not read: %q", others))
	}
	done, err := all.carryOut(given, on, warn)
	if err != nil {
		return fmt.Errorf("%s: %w", source, err)
	}
	fmt.Fprintf(out, "metadata: %s: %s\n", source, all.summary(done))
	return nil
}

// load gives the files and what they are from.
func load(given options) (source string, files map[string][]byte, others []string, err error) {
	if given.from != "" {
		files, others, err = readFolder(given.from)
		return given.from, files, others, err
	}
	found, err := finder{blockdev.Node}.find()
	if err != nil {
		return "looking for the volume", nil, nil, err
	}
	files, others, err = found.read()
	return found.String(), files, others, err
}

// carryOut configures the network, then writes the files.
func (w *wanted) carryOut(given options, on host, warn func(string)) (done []applied, err error) {
	if given.dryRun {
		done = onPaper(w.ethernets)
	} else if done, err = apply(on, w.ethernets, linkTimeout, warn); err != nil {
		return nil, err
	}
	if err := writeEntries(given.root, w.entries); err != nil {
		return nil, err
	}
	return done, writeNetwork(given.root, done)
}
