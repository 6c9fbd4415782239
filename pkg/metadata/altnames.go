package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

// pciAddress is how Linux names a PCI device: domain, bus, device and function.
var pciAddress = regexp.MustCompile(`^([0-9a-f]{4,}):([0-9a-f]{2}):([0-9a-f]{2})\.([0-7])$`)

// Of a PCI device's configuration space: the header's type, whose highest bit says that the device has several functions.
const (
	headerType    = 0x0e
	multiFunction = 0x80
)

// alternativeNames are the names that systemd would give a card (systemd.net-naming-scheme(7)), for the simple cases: on board (eno1),
// by slot (ens3), by place (enp1s0), by hardware address (enx...). Configurations that were written for other systems have them.
func (k kernel) alternativeNames(name, mac string) []string {
	var names []string
	if hex := strings.ReplaceAll(mac, ":", ""); len(hex) == 12 {
		names = append(names, "enx"+hex)
	}
	device, err := filepath.EvalSymlinks(filepath.Join(k.sysfs, "class/net", name, "device"))
	if err != nil {
		return names
	}
	if strings.HasPrefix(filepath.Base(device), "virtio") {
		device = filepath.Dir(device)
	}
	if number, found := strings.CutPrefix(filepath.Base(device), "vif-"); found {
		return append(names, "enX"+number) // a card of Xen
	}
	parts := pciAddress.FindStringSubmatch(filepath.Base(device))
	if parts == nil {
		return names
	}
	port := k.port(name)
	for _, file := range []string{"acpi_index", "index"} { // what firmware (ACPI, SMBIOS) says of cards on board
		if index := number(filepath.Join(device, file)); index > 0 {
			names = append(names, fmt.Sprintf("eno%d%s", index, port))
			break
		}
	}
	return append(names, k.placeNames(device, parts, port)...)
}

// placeNames gives the names by slot and by place of a PCI device; parts are those of its address.
func (k kernel) placeNames(device string, parts []string, port string) []string {
	var numbers [4]int64
	for i, part := range parts[1:] {
		numbers[i], _ = strconv.ParseInt(part, 16, 64)
	}
	domain, function := "", ""
	if numbers[0] > 0 {
		domain = fmt.Sprintf("P%d", numbers[0])
	}
	if numbers[3] > 0 || severalFunctions(device) {
		function = fmt.Sprintf("f%d", numbers[3])
	}
	names := []string{fmt.Sprintf("en%sp%ds%d%s%s", domain, numbers[1], numbers[2], function, port)}
	if slot := k.slot(strings.TrimSuffix(parts[0], "."+parts[4])); slot > 0 {
		names = append(names, fmt.Sprintf("en%ss%d%s%s", domain, slot, function, port))
	}
	return names
}

// slot gives the number of the slot that a PCI device, without its function, is in; 0 if none is known.
func (k kernel) slot(address string) int64 {
	files, _ := filepath.Glob(filepath.Join(k.sysfs, "bus/pci/slots/*/address"))
	for _, file := range files {
		if text, _ := os.ReadFile(file); strings.TrimSpace(string(text)) == address {
			slot, _ := strconv.ParseInt(filepath.Base(filepath.Dir(file)), 10, 32)
			return slot
		}
	}
	return 0
}

// port is the part of a name that tells the ports of one device apart.
func (k kernel) port(name string) string {
	folder := filepath.Join(k.sysfs, "class/net", name)
	if text, _ := os.ReadFile(filepath.Join(folder, "phys_port_name")); len(text) > 0 {
		return "n" + strings.TrimSpace(string(text))
	}
	if port := number(filepath.Join(folder, "dev_port")); port > 0 {
		return fmt.Sprintf("d%d", port)
	}
	return ""
}

func severalFunctions(device string) bool {
	config, _ := os.ReadFile(filepath.Join(device, "config"))
	return len(config) > headerType && config[headerType]&multiFunction != 0
}

// number reads a file with a decimal number; 0 without one.
func number(file string) int64 {
	text, _ := os.ReadFile(file)
	found, _ := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return found
}
