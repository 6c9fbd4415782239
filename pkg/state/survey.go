package main

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/initrd/blockdev"
)

// standing is what a device is to this program.
type standing int

const (
	other   standing = iota // nothing that is looked for
	chosen                  // it is the state disk
	broken                  // it is or may be the state disk, but can't be used
	vacant                  // a blank disk that may be made the state disk
	halfway                 // one that was being made the state disk when the power went
)

// finding is a device, what lies on it, and what that means. The size is in bytes.
type finding struct {
	path    string
	size    int64
	content filesystem
	is      standing
	// kind is what libblkid calls it; why says why it is not taken.
	kind, why string
}

func (f finding) String() string {
	text := fmt.Sprintf("%s (%s, %s)", f.path, mebibytes(f.size), f.kind)
	if f.why != "" {
		text += " " + f.why
	}
	return text
}

// surveyor looks at devices.
type surveyor struct {
	devices blockdev.System
	probe   func(path string) (blockdev.Content, error)
	// partition gives the type of a partition.
	partition func(path string) string
}

// survey looks at all devices of these names. A disk that is reached by several ways has several, and counts once: what two names have
// alike must be more than what the hardware says of itself, which some of it says of each of its disks.
func (s surveyor) survey(names []string, wanted wish) []finding {
	var all []finding
	known := map[string]bool{}
	for _, name := range names {
		found := s.look(name, wanted)
		if id := s.devices.Identity(name); id != "" {
			key := fmt.Sprint(id, found.size, found.is, found.content)
			if known[key] {
				continue
			}
			known[key] = true
		}
		all = append(all, found)
	}
	return all
}

// look finds out what one device is.
func (s surveyor) look(name string, wanted wish) finding {
	found := finding{path: s.devices.Path(name), size: s.devices.Size(name)}
	file, err := os.Open(found.path)
	if err == nil {
		defer file.Close()
	}
	if found.size == 0 || errors.Is(err, unix.ENOMEDIUM) || errors.Is(err, unix.ENXIO) {
		return found.as(other, "empty", "")
	}
	if err != nil {
		return found.as(broken, "unknown", "can't be opened: "+blockdev.Reason(err))
	}
	found.content, err = readFilesystem(file)
	if err != nil && !errors.Is(err, errNoFilesystem) {
		return found.as(broken, "unknown", "can't be read: "+blockdev.Reason(err))
	}
	content, err := s.probe(found.path)
	if err != nil {
		return found.as(broken, "unknown", "can't be probed: "+err.Error())
	}
	if mark, err := readMark(file, found.size); err == nil && isOfMark(content, mark, wanted) {
		return s.bare(name, found.as(halfway, "half formatted", ""), wanted)
	}
	if content.Blank() {
		return s.unsigned(name, file, found, wanted)
	}
	return s.signed(name, found, content, wanted)
}

// as gives the finding with what it is.
func (f finding) as(is standing, kind, why string) finding {
	f.is, f.kind, f.why = is, kind, why
	return f
}

// extKinds are libblkid's names of what the kernel's ext4 mounts.
var extKinds = []string{"ext4", "ext3", "ext2"}

// signed judges a device on which libblkid finds something.
func (s surveyor) signed(name string, found finding, content blockdev.Content, wanted wish) finding {
	kind := content.String()
	isExt := slices.Contains(extKinds, content.Type)
	switch {
	case !isExt && wanted.names(found.content.label, found.content.uuid):
		return found.as(broken, kind, "has an ext4 file system with the label inside, but is more than that: a half of a mirror, or a "+
			"disk that something else took, would be spoilt; wipefs shows what lies on it")
	case isExt && wanted.names(content.Label, content.UUID) && s.devices.ReadOnly(name):
		return found.as(broken, kind, "is write-protected; allow writing")
	case isExt && wanted.names(content.Label, content.UUID):
		return found.as(chosen, kind, "")
	case isExt && wanted.uuid != "" && content.Label == wanted.label:
		return found.as(other, kind, "has the label, but the UUID "+content.UUID)
	case isExt:
		return found.as(other, kind, "has another label")
	case content.Label == wanted.label && content.Usage == "filesystem":
		return found.as(broken, kind, "has the label, but is no ext4 file system")
	}
	return found.as(other, kind, "is something else")
}

// unsigned judges a device on which libblkid finds nothing: blank, or damaged.
func (s surveyor) unsigned(name string, file *os.File, found finding, wanted wish) finding {
	const kind = "no signature"
	if found.content != (filesystem{}) && wanted.names(found.content.label, found.content.uuid) {
		return found.damaged(wanted)
	}
	lost, err := readCopy(file)
	switch {
	case err == nil && wanted.names(lost.label, lost.uuid):
		found.content = lost
		return found.damaged(wanted)
	case err == nil || found.content != (filesystem{}):
		return found.as(other, kind, "had an ext4 file system, whose superblock is damaged")
	case !errors.Is(err, errNoFilesystem):
		return found.as(broken, "unknown", "can't be read: "+blockdev.Reason(err))
	}
	if at, err := firstByte(file, found.size); err != nil {
		return found.as(broken, "unknown", "can't be read: "+blockdev.Reason(err))
	} else if at >= 0 {
		return found.as(other, kind, fmt.Sprintf("is not blank: it has data at byte %d", at))
	}
	return s.bare(name, found.as(vacant, "blank", ""), wanted)
}

// damaged is what a state disk is whose superblock is: e2fsck goes by the copies, if it is allowed to.
func (f finding) damaged(wanted wish) finding {
	if wanted.repair {
		return f.as(chosen, "damaged superblock", "")
	}
	return f.as(broken, "damaged superblock", "is labelled by what is left of it; "+argument+"="+repair+
		" on the kernel's command line mends what can be mended")
}

// bare says whether a disk without content may be formatted.
func (s surveyor) bare(name string, found finding, wanted wish) finding {
	brought := s.brought(name) && wanted.uuid == ""
	if found.is == vacant && !wanted.blank && !brought {
		return found.as(other, found.kind, "")
	}
	size := max(wanted.smallest, smallestNew)
	holders := s.devices.Holders(name)
	switch {
	case !wanted.blank && !brought:
		return found.as(other, found.kind, "and nothing allows to format it again (format: blank)")
	case s.devices.IsPartition(name) && !brought:
		return found.as(other, found.kind, "is a partition, and only whole disks are formatted")
	case wanted.path != "" && wanted.path != found.path:
		return found.as(other, found.kind, "is not "+wanted.path)
	case found.size < size:
		return found.as(other, found.kind, "is smaller than "+mebibytes(size))
	case s.devices.ReadOnly(name):
		return found.as(other, found.kind, "is write-protected")
	case holders != nil:
		return found.as(other, found.kind, "is in use by "+strings.Join(holders, ", "))
	}
	return found
}
