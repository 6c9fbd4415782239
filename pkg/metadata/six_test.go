package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestHowACardGetsAddressesOfIPv6(t *testing.T) {
	tests := map[string]six{
		"version: 2\nethernets: {e: {dhcp6: true}}":                                                               stateful,
		"version: 2\nethernets: {e: {dhcp4: true, dhcp6: true, accept-ra: }}":                                     stateful,
		"version: 2\nethernets: {e: {dhcp6: true, accept-ra: false}}":                                             withoutRouters,
		"version: 2\nethernets: {e: {accept-ra: true}}":                                                           stateless,
		"version: 2\nethernets: {e: {dhcp4: true}}":                                                               "",
		"version: 1\nconfig: [{type: physical, name: e, subnets: [{type: dhcp6}]}]":                               stateful,
		"version: 1\nconfig: [{type: physical, name: e, subnets: [{type: ipv6_slaac}]}]":                          stateless,
		"version: 1\nconfig: [{type: physical, name: e, accept-ra: true}]":                                        stateless,
		"version: 1\nconfig: [{type: physical, name: e, accept-ra: no, subnets: [{type: ipv6_dhcpv6-stateful}]}]": withoutRouters,
	}
	for config, want := range tests {
		all := must(t, map[string]string{"network-config": config})
		if got := all.netdevs[0]; got.six != want || all.warnings != nil {
			t.Errorf("%s: got %q, %q", config, got.six, all.warnings)
		}
		root := t.TempDir()
		if err := writeNetwork(root, onPaper(all.netdevs), &netdev{}); err != nil {
			t.Fatal(err)
		}
		text, _ := os.ReadFile(filepath.Join(root, runConfig, sixFolder, "e"))
		if strings.TrimSpace(string(text)) != string(want) {
			t.Errorf("%s: the DHCP client is told %q", config, text)
		}
	}
}

func TestThatTheKernelTakesAnnouncementsIsTold(t *testing.T) {
	for _, config := range []string{
		"version: 2\nethernets: {e: {accept-ra: false}}", "version: 1\nconfig: [{type: physical, name: e, accept-ra: no}]",
	} {
		if all := must(t, map[string]string{"network-config": config}); len(all.warnings) != 1 || !strings.Contains(all.warnings[0], kernelsOwn) {
			t.Errorf("%s: %q", config, all.warnings)
		}
	}
}
