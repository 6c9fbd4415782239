package main

import (
	"encoding/base64"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

const (
	// ovfLabel is that of the CD on which vSphere gives a machine what was asked at its deployment.
	ovfLabel = "OVF ENV"
	// ovfFile is the environment on it (DMTF DSP0243, "ISO image transport").
	ovfFile = "ovf-env.xml"
)

// The properties that a node knows, as cloud-init calls them and as kubeiso's own OVA asks for them.
const (
	ovfHostname = "hostname"
	ovfInstance = "instance-id"
	ovfKeys     = "public-keys"
	ovfUserData = "user-data"
	ovfNetwork  = "network-config"
)

// ovfEnvironment is an environment document (DMTF DSP8027), of which the properties count.
type ovfEnvironment struct {
	XMLName  xml.Name `xml:"http://schemas.dmtf.org/ovf/environment/1 Environment"`
	Sections []struct {
		Properties []struct {
			Key   string `xml:"key,attr"`
			Value string `xml:"value,attr"`
		} `xml:"Property"`
	} `xml:"PropertySection"`
}

// readOVF reads a folder with an OVF environment as if it were NoCloud's files. Properties that are empty were not filled in.
func readOVF(source, folder string) (contents, error) {
	text, err := readFile(filepath.Join(folder, ovfFile))
	if errors.Is(err, fs.ErrNotExist) {
		return contents{source: source}, fmt.Errorf("it has %w %s", errNoFiles, ovfFile)
	}
	if err != nil {
		return contents{source: source, faults: []error{err}}, nil
	}
	return parseOVF(source, text), nil
}

func parseOVF(source string, text []byte) contents {
	held := contents{source: source, files: map[string][]byte{}}
	given, err := properties(text)
	if err != nil {
		held.faults = append(held.faults, &mistake{file: ovfFile, text: err.Error()})
		return held
	}
	held.takeProperties(given)
	return held
}

// properties gives those of an environment that were filled in.
func properties(text []byte) (map[string]string, error) {
	var found ovfEnvironment
	if err := xml.Unmarshal(text, &found); err != nil {
		return nil, err
	}
	given := map[string]string{}
	for _, section := range found.Sections {
		for _, each := range section.Properties {
			if value := strings.TrimSpace(each.Value); value != "" {
				given[each.Key] = value
			}
		}
	}
	return given, nil
}

func (c *contents) takeProperties(given map[string]string) {
	meta := driveMeta{ID: given[ovfInstance], Name: given[ovfHostname], Keys: keysOf(given[ovfKeys])}
	text, err := json.Marshal(meta)
	if err != nil {
		c.faults = append(c.faults, err)
	}
	c.files[metaDataFile] = text
	for property, file := range map[string]string{ovfUserData: userDataFile, ovfNetwork: networkFile} {
		if value := given[property]; value != "" {
			c.files[file] = plainOrBase64(value)
		}
	}
	known := []string{ovfHostname, ovfInstance, ovfKeys, ovfUserData, ovfNetwork}
	for property := range given {
		if !slices.Contains(known, property) {
			c.others = append(c.others, property)
		}
	}
	slices.Sort(c.others)
}

// plainOrBase64 gives what a value stands for: one line can hold a file in base64 alone, which is what cloud-init expects, too.
func plainOrBase64(value string) []byte {
	if decoded, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(value), "")); err == nil {
		return decoded
	}
	return []byte(value)
}

// nextKey is where another SSH key begins behind a comma; options of a key have commas, too (sshd(8), "AUTHORIZED_KEYS FILE FORMAT").
var nextKey = regexp.MustCompile(`,\s*((?:ssh|ecdsa|sk)-)`)

// keysOf gives the SSH keys of a value: a form has one field for several.
func keysOf(value string) (found []string) {
	for line := range strings.Lines(nextKey.ReplaceAllString(value, "\n$1")) {
		if line = strings.TrimSpace(line); line != "" {
			found = append(found, line)
		}
	}
	return found
}
