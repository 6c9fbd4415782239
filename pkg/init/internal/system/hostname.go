package system

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// SetHostname gives the node its name: that in the first of the files that has one, else "linuxkit-" and the hardware
// address of the first network interface. It gives the name in use.
func SetHostname(files ...string) (string, error) {
	name := firstName(files)
	if name == "" {
		name = nameOfHardware("/sys/class/net")
	}
	if name == "" {
		return os.Hostname()
	}
	if err := unix.Sethostname([]byte(name)); err != nil {
		return "", fmt.Errorf("setting the host name %q: %w", name, err)
	}
	return name, nil
}

// firstName gives the first word of the first file that has one.
func firstName(files []string) string {
	for _, file := range files {
		text, _ := os.ReadFile(file)
		if words := strings.Fields(string(text)); len(words) > 0 {
			return words[0]
		}
	}
	return ""
}

// nameOfHardware makes a name of the first real interface: eth0 if there is one, as LinuxKit does, else the first by name.
func nameOfHardware(dir string) string {
	devices, _ := filepath.Glob(filepath.Join(dir, "*/device"))
	interfaces := []string{"eth0"}
	for _, path := range devices {
		interfaces = append(interfaces, filepath.Base(filepath.Dir(path)))
	}
	slices.Sort(interfaces[1:])
	for _, name := range interfaces {
		text, _ := os.ReadFile(filepath.Join(dir, name, "address"))
		address := strings.ReplaceAll(strings.TrimSpace(string(text)), ":", "")
		if strings.Trim(address, "0") != "" {
			return "linuxkit-" + address
		}
	}
	return ""
}

// MakeResolvConf makes the empty file that /etc/resolv.conf points to, so that a DHCP client can fill it.
func MakeResolvConf(link string) error {
	target, err := os.Readlink(link)
	if err != nil {
		return nil // a plain file: it is what the image's author wants
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(link), target)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o755); err != nil {
		return err
	}
	file, err := os.OpenFile(target, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	return file.Close()
}
