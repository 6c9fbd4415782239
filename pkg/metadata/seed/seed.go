// Package seed reads where NoCloud's files are to be fetched from, as the kernel's command line or the machine's serial number say it
// (cloud-init's documentation, "NoCloud": ds=nocloud;s=URL;h=NAME;i=ID), and fetches them.
package seed

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"kubeiso.dev/pkg/initrd/cmdline"
)

// Seed is what a line says: URL is where the files lie, with a slash at its end; it may be nil. Name and ID are the node's name and its
// instance-id; either may be empty. Source says whose line it was.
type Seed struct {
	Source, Name, ID string
	URL              *url.URL
}

// The words by which a line begins, and those that it has beside a URL.
var datasources = []string{"nocloud", "nocloud-net"}

// hole is where a URL has one of the machine's own words, such as its serial number.
const hole, holeEnd = "__dmi.", "__"

// dmi are cloud-init's names for such words, and the kernel's in /sys/class/dmi/id.
var dmi = map[string]string{
	"baseboard-asset-tag": "board_asset_tag", "baseboard-manufacturer": "board_vendor", "baseboard-product-name": "board_name",
	"baseboard-serial-number": "board_serial", "baseboard-version": "board_version", "bios-release-date": "bios_date",
	"bios-vendor": "bios_vendor", "bios-version": "bios_version", "chassis-asset-tag": "chassis_asset_tag",
	"chassis-manufacturer": "chassis_vendor", "chassis-serial-number": "chassis_serial", "chassis-version": "chassis_version",
	"system-manufacturer": "sys_vendor", "system-product-name": "product_name", "system-serial-number": "product_serial",
	"system-uuid": "product_uuid", "system-version": "product_version",
}

// Of gives what the machine says; nil where it says nothing. The kernel's command line comes before the serial number.
func Of(proc, sys string) (*Seed, error) {
	line, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	read := func(name string) string {
		text, _ := os.ReadFile(filepath.Join(sys, "class/dmi/id", name)) // a machine without such a word
		return strings.TrimSpace(string(text))
	}
	if found, err := parse(cmdline.Value(string(line), "ds"), "the kernel's command line", read); found != nil || err != nil {
		return found, err
	}
	serial, given := strings.CutPrefix(read("product_serial"), "ds=")
	if !given {
		return nil, nil
	}
	return parse(serial, "the machine's serial number", read)
}

// parse reads "nocloud;s=URL;h=NAME;i=ID"; another datasource is none of ours.
func parse(text, source string, word func(string) string) (*Seed, error) {
	kind, rest, _ := strings.Cut(text, ";")
	if kind != datasources[0] && kind != datasources[1] {
		return nil, nil
	}
	found := &Seed{Source: source}
	for part := range strings.SplitSeq(rest, ";") {
		key, value, _ := strings.Cut(part, "=")
		var err error
		switch key {
		case "":
		case "s", "seedfrom":
			found.URL, err = location(value, word)
		case "h", "local-hostname":
			found.Name, err = filled(value, word)
		case "i", "instance-id":
			found.ID, err = filled(value, word)
		default:
			err = errors.New("this is not known to a node; s, h and i are")
		}
		if err != nil {
			return found, fmt.Errorf("%s: ds=%s: %s: %w", source, kind, part, err)
		}
	}
	if found.URL == nil && found.Name == "" && found.ID == "" {
		return nil, nil
	}
	return found, nil
}

// location reads a URL.
func location(text string, word func(string) string) (*url.URL, error) {
	text, err := filled(text, word)
	if err != nil {
		return nil, err
	}
	found, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, err
	case found.Scheme != "http" && found.Scheme != "https", found.Host == "":
		return nil, errors.New("a node fetches from http://HOST/... and https://HOST/... alone")
	}
	if !strings.HasSuffix(found.Path, "/") && found.RawQuery == "" {
		found.Path += "/"
	}
	return found, nil
}

// filled puts the machine's own words into a text.
func filled(text string, word func(string) string) (string, error) {
	var made strings.Builder
	for {
		before, rest, found := strings.Cut(text, hole)
		made.WriteString(before)
		if !found {
			return made.String(), nil
		}
		name, after, closed := strings.Cut(rest, holeEnd)
		file := dmi[name]
		if !closed || file == "" {
			return "", fmt.Errorf("%s%s: no word of this machine is called so", hole, name)
		}
		value := word(file)
		if value == "" {
			return "", fmt.Errorf("%s%s%s: this machine has none", hole, name, holeEnd)
		}
		made.WriteString(url.PathEscape(value))
		text = after
	}
}
