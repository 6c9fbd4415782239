package main

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Where the node's resolv.conf lies, to which /etc/resolv.conf leads; and what the DHCP client begins and ends it with when it
// writes it (dhcpcd-run-hooks(8), 20-resolv.conf). Of several lines with search domains a resolver takes the last one.
const (
	resolvFile = "/run/resolvconf/resolv.conf"
	resolvHead = resolvFile + ".head"
	resolvTail = resolvFile + ".tail"
)

// resolvRecipe is what the node's recipe says, in the words of resolv.conf(5).
const resolvRecipe = "/etc/dns/resolv.conf"

// resolver is how the node resolves names: lines of a resolv.conf.
type resolver struct{ servers, search string }

// resolvConf joins what the cards have.
func resolvConf(netdevs []*netdev) resolver {
	var servers, search []string
	for _, each := range netdevs {
		for _, server := range each.nameservers {
			if line := "nameserver " + server.String() + "\n"; !slices.Contains(servers, line) {
				servers = append(servers, line)
			}
		}
		for _, domain := range each.search {
			if !slices.Contains(search, domain) {
				search = append(search, domain)
			}
		}
	}
	found := resolver{servers: strings.Join(servers, "")}
	if search != nil {
		found.search = "search " + strings.Join(search, " ") + "\n"
	}
	return found
}

// ofRecipe reads the recipe's words; a recipe may have none.
func ofRecipe(root string) (resolver, error) {
	text, err := os.ReadFile(filepath.Join(root, resolvRecipe))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return resolver{}, err
	}
	var found resolver
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "search ") {
			found.search = line
		} else {
			found.servers += line
		}
	}
	return found, nil
}

// writeResolver writes what the cards have, and where they have nothing, what the recipe says.
func writeResolver(root string, netdevs []*netdev) error {
	usual, err := ofRecipe(root)
	if err != nil {
		return err
	}
	found := resolvConf(netdevs)
	return resolver{cmp.Or(found.servers, usual.servers), cmp.Or(found.search, usual.search)}.write(root)
}

// write makes the node's resolv.conf, and what the DHCP client keeps of it; what is not said stays as it is.
func (r resolver) write(root string) error {
	var failures []error
	for file, text := range map[string]string{resolvFile: r.servers + r.search, resolvHead: r.servers, resolvTail: r.search} {
		if text != "" {
			failures = append(failures, writeFile(filepath.Join(root, file), text, 0o644))
		}
	}
	return errors.Join(failures...)
}
