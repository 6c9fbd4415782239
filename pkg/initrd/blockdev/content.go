package blockdev

import (
	"bytes"
	"errors"
	"fmt"
	"os/exec"
	"strings"
)

// What blkid(8) ends with besides 0.
const (
	blkidNothing   = 2
	blkidAmbiguous = 8
)

// Content is what libblkid finds on a device; the words are its own, such as "ext4", "linux_raid_member" and "crypto_LUKS".
type Content struct {
	Type, Label, UUID string
	// Usage is "filesystem", "raid", "crypto" or "other".
	Usage string
	// Table is the kind of a partition table: "gpt", "dos".
	Table string
	// Ambiguous says that signatures of several kinds lie on the device.
	Ambiguous bool
}

// Blank says whether no signature at all was found.
func (c Content) Blank() bool { return c == Content{} }

// String is for people, such as `ext4 "DATA"`.
func (c Content) String() string {
	switch {
	case c.Ambiguous:
		return "signatures of several kinds"
	case c.Type == "" && c.Table != "":
		return "partition table (" + c.Table + ")"
	case c.Type == "":
		return "no signature"
	case c.Label != "":
		return fmt.Sprintf("%s %q", c.Type, c.Label)
	}
	return c.Type
}

// Probe gives what libblkid's full probe finds, by way of util-linux's blkid. For a device that can't be read blkid says the same
// as for a blank one, so who takes a device for blank has to have read it.
func Probe(path string) (Content, error) {
	var out, said bytes.Buffer
	command := exec.Command("blkid", "-p", "-o", "export", path)
	command.Stdout, command.Stderr = &out, &said
	err := command.Run()
	var ended *exec.ExitError
	switch {
	case err == nil:
		return parse(out.String()), nil
	case !errors.As(err, &ended):
		return Content{}, fmt.Errorf("blkid did not run: %w", err)
	case ended.ExitCode() == blkidAmbiguous:
		return Content{Ambiguous: true}, nil
	case ended.ExitCode() == blkidNothing && said.Len() == 0:
		return Content{}, nil
	}
	return Content{}, fmt.Errorf("blkid: %w: %s", err, strings.TrimSpace(said.String()))
}

// PartitionType gives the type of a partition as its table has it, such as the GUID of a GPT's; "" where that is not to be had.
func PartitionType(path string) string {
	out, err := exec.Command("blkid", "-p", "-o", "value", "-s", "PART_ENTRY_TYPE", path).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

// parse reads KEY=VALUE in lines, with a backslash before what a shell would take for its own.
func parse(text string) (found Content) {
	places := map[string]*string{
		"TYPE": &found.Type, "LABEL": &found.Label, "UUID": &found.UUID, "USAGE": &found.Usage, "PTTYPE": &found.Table,
	}
	for line := range strings.Lines(text) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		if place := places[key]; place != nil {
			*place = unescape(value)
		}
	}
	return found
}

func unescape(text string) string {
	var plain strings.Builder
	escaped := false
	for _, letter := range text {
		if letter == '\\' && !escaped {
			escaped = true
			continue
		}
		escaped = false
		plain.WriteRune(letter)
	}
	return plain.String()
}
