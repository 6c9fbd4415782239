package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/vmware/vmw-guestinfo/rpcvmx"
	"github.com/vmware/vmw-guestinfo/vmcheck"
	"go.yaml.in/yaml/v3"
)

// What VMware's hypervisor holds of a machine's configuration (cloud-init's documentation, "VMware"), and the OVF environment where a
// machine has it in this way (DMTF DSP0243's transport com.vmware.guestInfo).
const (
	guestPrefix   = "guestinfo."
	guestMeta     = "metadata"
	guestUser     = "userdata"
	guestVendor   = "vendordata"
	guestOVF      = "ovfEnv"
	guestEncoding = ".encoding"
)

// The keys of its metadata that are a network-config.
const (
	guestNetwork         = "network"
	guestNetworkEncoding = guestNetwork + guestEncoding
)

// ask gives what the hypervisor has under a name, without "guestinfo."; "" where it has nothing.
type ask func(name string) (string, error)

// onVMware says whether this machine is VMware's; another has no such hypervisor to ask, and a try would end the program.
func onVMware() bool {
	is, err := vmcheck.IsVirtualWorld(true)
	return is && err == nil
}

func askVMware(name string) (string, error) { return rpcvmx.NewConfig().String(name, "") }

// readGuestinfo reads the values as if they were NoCloud's files. Without any there is nothing, and no error.
func readGuestinfo(get ask) (held contents, found bool) {
	held = contents{source: "VMware's guestinfo", files: map[string][]byte{}}
	held.takeGuest(get, guestMeta, metaDataFile)
	held.takeGuest(get, guestUser, userDataFile)
	if len(held.files) == 0 && held.faults == nil {
		return readGuestOVF(get)
	}
	if text, given := held.files[metaDataFile]; given {
		held.partNetwork(text)
	}
	for _, each := range []string{guestVendor, guestOVF} {
		if value, err := guestValue(get, each); err == nil && value != "" && (each != guestOVF || filled(value)) {
			held.others = append(held.others, guestPrefix+each)
		}
	}
	return held, true
}

// takeGuest takes a value as a file.
func (c *contents) takeGuest(get ask, name, file string) {
	value, err := guestValue(get, name)
	if err == nil && value == "" {
		return
	}
	var encoding string
	if err == nil {
		encoding, err = guestValue(get, name+guestEncoding)
	}
	var text string
	if err == nil {
		text, err = unpacked(encoding, value)
	}
	if err != nil {
		c.faults = append(c.faults, &mistake{file: guestPrefix + name, text: err.Error()})
		return
	}
	c.files[file] = []byte(text)
}

// guestValue asks for a value. To empty one, whoever cannot remove it writes "---".
func guestValue(get ask, name string) (string, error) {
	value, err := get(name)
	if value = strings.TrimRight(value, "\x00"); strings.TrimSpace(value) == "---" {
		value = ""
	}
	return value, err
}

// partNetwork makes a network-config of what the metadata has of it: a mapping, or a text that is one in an encoding. What is no YAML
// is told of when the metadata is read.
func (c *contents) partNetwork(text []byte) {
	var document yaml.Node
	if yaml.Unmarshal(text, &document) != nil || len(document.Content) == 0 || document.Content[0].Kind != yaml.MappingNode {
		return
	}
	root := document.Content[0]
	network, encoding := cutKey(root, guestNetwork), cutKey(root, guestNetworkEncoding)
	if network == nil {
		return
	}
	made, err := networkText(network, encoding)
	if err != nil {
		c.faults = append(c.faults, &mistake{file: guestPrefix + guestMeta, line: network.Line, path: guestNetwork, text: err.Error()})
		return
	}
	rest, err := yaml.Marshal(root)
	if err != nil {
		c.faults = append(c.faults, &mistake{file: guestPrefix + guestMeta, text: err.Error()})
		return
	}
	c.files[metaDataFile], c.files[networkFile] = rest, made
}

// networkText gives the text of a network-config.
func networkText(network, encoding *yaml.Node) ([]byte, error) {
	if network.Kind == yaml.MappingNode {
		return yaml.Marshal(network)
	}
	if network.Kind != yaml.ScalarNode {
		return nil, errors.New("keys with values, or a text, are expected here")
	}
	name := ""
	if encoding != nil {
		name = encoding.Value
	}
	text, err := unpacked(name, network.Value)
	return []byte(text), err
}

// cutKey takes a key out of a mapping and gives its value; nil where it has none.
func cutKey(mapping *yaml.Node, name string) *yaml.Node {
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == name {
			value := mapping.Content[i+1]
			mapping.Content = slices.Delete(mapping.Content, i, i+2)
			return value
		}
	}
	return nil
}

// readGuestOVF reads an OVF environment out of guestinfo; one of which nothing is filled in is none.
func readGuestOVF(get ask) (contents, bool) {
	source := "VMware's " + guestPrefix + guestOVF
	value, err := guestValue(get, guestOVF)
	if err != nil {
		return contents{source: source, faults: []error{err}}, true
	}
	if value == "" || !filled(value) {
		return contents{}, false
	}
	return parseOVF(source, []byte(value)), true
}

// filled says whether an OVF environment has a property with a value, or can't be read, which is to be told.
func filled(text string) bool {
	given, err := properties([]byte(text))
	return err != nil || len(given) > 0
}

// askFolder asks for values that lie in a folder as files of their whole names.
func askFolder(folder string) ask {
	return func(name string) (string, error) {
		text, err := readFile(filepath.Join(folder, guestPrefix+name))
		if errors.Is(err, os.ErrNotExist) {
			return "", nil
		}
		return string(text), err
	}
}

// readGuestFolder reads such a folder.
func readGuestFolder(source, folder string) (contents, error) {
	held, found := readGuestinfo(askFolder(folder))
	if !found {
		return held, errNoFiles
	}
	held.source = source
	return held, nil
}
