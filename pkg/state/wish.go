package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"

	"kubeiso.dev/pkg/initrd/cmdline"
)

const (
	argument = "kubeiso.state"
	usual    = "KUBEISO_STATE"
	// given is where the node's metadata may name its disk: by the file system's UUID, or with the word required.
	given = "/run/config/state/disk"
	// smallestNew, in bytes, is what a disk has at least that becomes a node's state (builder/machine/disk.py has the same).
	smallestNew = 1 << 30
)

// Words of the recipe, of the kernel's command line and of the metadata.
const (
	required = "required"
	optional = "optional"
	none     = "none"
	off      = "off"
	repair   = "repair"
)

// errMistake is at the root of what a user has to put right.
var errMistake = errors.New("mistake")

var uuidShape = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// wish is what this node's state disk has to be.
type wish struct {
	// need is required, optional or none; by says who says required.
	need, by string
	label    string
	// uuid, where it is known, is of the one file system that is it.
	uuid string
	// path and smallest (bytes) say which disk is meant where several have the label, and which may be formatted.
	path     string
	smallest int64
	// blank allows to make a blank disk the state disk; repair, to mend what e2fsck does not mend unasked.
	blank, repair bool
}

// fromRecipe reads the program's arguments, which the image's maker takes from the recipe.
func fromRecipe(arguments []string) (wish, error) {
	wanted, format := wish{by: "the recipe"}, ""
	flags := flag.NewFlagSet("state", flag.ContinueOnError)
	flags.StringVar(&wanted.need, "need", optional, "required, optional or none")
	flags.StringVar(&wanted.label, "label", usual, "the file system's `label`")
	flags.StringVar(&wanted.path, "path", "", "the disk's `file` below /dev, where more than one would do")
	flags.Int64Var(&wanted.smallest, "smallest", 0, "the disk's least size in `bytes`, where more than one would do")
	flags.StringVar(&format, "format", "", "blank: make a blank disk the state disk")
	if err := flags.Parse(arguments); err != nil {
		return wanted, fmt.Errorf("%w: %w", errMistake, err)
	}
	wanted.blank = format == "blank"
	switch {
	case flags.NArg() > 0:
		return wanted, fmt.Errorf("%w: the argument %q means nothing", errMistake, flags.Arg(0))
	case wanted.need != required && wanted.need != optional && wanted.need != none:
		return wanted, fmt.Errorf("%w: -need is none of required, optional and none: %s", errMistake, wanted.need)
	case format != "" && !wanted.blank:
		return wanted, fmt.Errorf("%w: -format is not blank: %s", errMistake, format)
	}
	return wanted, nil
}

// named adds what the node's metadata say of its disk, if they do.
func (w wish) named(file string) (wish, error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return w, nil
	}
	if err != nil {
		return w, err
	}
	word := strings.ToLower(strings.TrimSpace(string(text)))
	if word == required || uuidShape.MatchString(word) {
		return w.demand(word, "the node's metadata ("+file+")"), nil
	}
	return w, fmt.Errorf("%w: %s is neither %s nor a file system's UUID: %q\nnext: correct it in the node's metadata, and restart the node",
		errMistake, file, required, word)
}

// told adds what the kernel's command line says, if it does. It can't take back what the recipe or the metadata require.
func (w wish) told(text string) (wish, error) {
	word := strings.ToLower(cmdline.Value(text, argument))
	switch {
	case word == "":
	case word == off && w.need == required:
		return w, fmt.Errorf("%w: %s=%s, but %s says that this node has a state disk; without it the node would begin as a new one\n"+
			"next: leave %[2]s away; to begin anew indeed, change what requires the disk", errMistake, argument, off, w.by)
	case word == off:
		w.need, w.by = none, argument+"="+off
	case word == repair:
		w.repair = true
	case word == required || uuidShape.MatchString(word):
		return w.demand(word, "the kernel's command line"), nil
	default:
		return w, fmt.Errorf("%w: %s is none of %s, %s, %s and a file system's UUID: %s", errMistake, argument, off, repair, required, word)
	}
	return w, nil
}

// demand makes the disk one without which the node does not go on. A UUID is of a disk that exists: then none is formatted.
func (w wish) demand(word, by string) wish {
	w.need, w.by = required, by
	if word != required {
		w.uuid, w.blank = word, false
	}
	return w
}

// wayOut is what is left when the disk can't be used. For a node that has to have one there is none that could do harm.
func (w wish) wayOut() string {
	if w.need == required {
		return "replace the disk, or change what requires it: " + w.by
	}
	return "start with " + argument + "=" + off + " to run from memory (a node that forms its cluster by itself begins a new one then)"
}

// selects says whether the recipe's path and size fit a device.
func (w wish) selects(path string, size int64) bool {
	return (w.path == "" || w.path == path) && size >= w.smallest
}

// names says whether a file system is the one that is looked for.
func (w wish) names(label, uuid string) bool {
	if w.uuid != "" {
		return uuid == w.uuid
	}
	return label == w.label
}

// String tells people what is looked for.
func (w wish) String() string {
	what := "an ext4 file system labelled " + w.label
	if w.uuid != "" {
		what = "the ext4 file system with the UUID " + w.uuid
	}
	if !w.blank {
		return what
	}
	return what + ", or a blank disk" + w.which()
}

// which says which blank disks may be formatted.
func (w wish) which() string {
	words := ""
	if w.path != "" {
		words += " at " + w.path
	}
	return words + " of at least " + mebibytes(max(w.smallest, smallestNew))
}

func mebibytes(size int64) string { return strconv.FormatInt(size>>20, 10) + " MiB" }
