package bundle

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Attaches says whether Attach has anything to do.
func (b *Bundle) Attaches() bool {
	kept := slices.ContainsFunc(namespaceNames, func(name string) bool { return b.Runtime.BindNS[name] != "" })
	return kept || len(b.Runtime.Interfaces) > 0
}

// Attach gives a container that is made but not yet started its network interfaces, and keeps its namespaces at the paths
// that runtime.json names. pid is the container's first process.
func (b *Bundle) Attach(pid int) error {
	for _, link := range b.Runtime.Interfaces {
		if err := link.attach(pid); err != nil {
			return fmt.Errorf("interface %s: %w", link.Name, err)
		}
	}
	for _, name := range namespaceNames {
		if path := b.Runtime.BindNS[name]; path != "" {
			if err := keepNamespace(pid, name, path); err != nil {
				return fmt.Errorf("keeping namespace %s at %s: %w", name, path, err)
			}
		}
	}
	return nil
}

// attach makes the interface where it shall be made and moves it into the container's network namespace. Without "add" the
// interface must be there; a peer alone means a veth pair, whose peer stays on the node.
func (i Interface) attach(pid int) error {
	kind := i.Add
	if kind == "" && i.Peer != "" {
		kind = "veth"
	}
	inNode := i.CreateInRoot || kind == "veth" || kind == ""
	if kind != "" {
		if err := netlink.LinkAdd(i.link(kind, inNode, pid)); err != nil {
			return fmt.Errorf("making it: %w", err)
		}
	}
	if !inNode {
		return nil
	}
	link, err := netlink.LinkByName(i.Name)
	if err != nil {
		return err
	}
	return netlink.LinkSetNsPid(link, pid)
}

func (i Interface) link(kind string, inNode bool, pid int) netlink.Link {
	attributes := netlink.NewLinkAttrs()
	attributes.Name = i.Name
	if !inNode {
		attributes.Namespace = netlink.NsPid(pid)
	}
	if kind == "veth" {
		return &netlink.Veth{LinkAttrs: attributes, PeerName: i.Peer}
	}
	return &netlink.GenericLink{LinkAttrs: attributes, LinkType: kind}
}

func keepNamespace(pid int, name, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path, nil, 0o444); err != nil {
		return err
	}
	return unix.Mount(fmt.Sprintf("/proc/%d/ns/%s", pid, name), path, "", unix.MS_BIND, "")
}
