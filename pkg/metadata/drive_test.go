package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Of the kind that OpenStack's documentation shows, with a bond, a VLAN on it and IPv6.
const driveNetworks = `{
 "links": [
  {"id": "vlan-a", "type": "vlan", "vlan_id": 101, "vlan_link": "bond-a", "vlan_mac_address": "FA:16:3E:B3:72:30"},
  {"id": "bond-a", "type": "bond", "bond_links": ["if-1", "if-2"], "bond_mode": "802.3ad", "bond_miimon": 100,
   "bond_xmit_hash_policy": "layer3+4", "ethernet_mac_address": "52:54:00:00:00:01"},
  {"id": "if-1", "type": "phy", "ethernet_mac_address": "52:54:00:AA:00:01", "mtu": 9000},
  {"id": "if-2", "type": "phy", "ethernet_mac_address": "52:54:00:aa:00:02", "mtu": 9000},
  {"id": "tap2ecc7709-b3", "type": "ovs", "vif_id": "2ecc7709-b3f7-4448-9580-e1ec32d75bbd", "ethernet_mac_address": "fa:16:3e:69:b0:58", "mtu": null}
 ],
 "networks": [
  {"id": "n0", "link": "tap2ecc7709-b3", "type": "ipv4_dhcp", "network_id": "da"},
  {"id": "n1", "link": "vlan-a", "type": "ipv4", "ip_address": "10.184.0.244", "netmask": "255.255.240.0",
   "routes": [{"network": "10.0.0.0", "netmask": "255.0.0.0", "gateway": "10.184.0.1"}, {"network": "0.0.0.0", "netmask": "0.0.0.0", "gateway": "10.184.0.1"}]},
  {"id": "n2", "link": "vlan-a", "type": "ipv6", "ip_address": "2001:cdba::3257:9652/24", "gateway": "fd00::1",
   "services": [{"type": "dns", "address": "2001:db8::53"}]}
 ],
 "services": [{"type": "dns", "address": "8.8.8.8"}]
}`

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// drivePut makes a config drive's folder.
func drivePut(t *testing.T, files map[string]string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(folder, name), text)
	}
	return folder
}

func driveRead(t *testing.T, files map[string]string) *wanted {
	t.Helper()
	held, err := readDrive("test", drivePut(t, files))
	if err != nil {
		t.Fatal(err)
	}
	all := image("/").parse(held.files)
	all.faults = append(all.faults, held.faults...)
	return all
}

func TestAConfigDriveOfOpenStackIsRead(t *testing.T) {
	all := driveRead(t, map[string]string{
		"openstack/latest/meta_data.json": `{"uuid": "83679162", "hostname": "test.novalocal", "name": "test", "availability_zone": "nova",
			"public_keys": {"b": "` + keyTwo + `", "a": "` + keyOne + `"}, "launch_index": 0, "devices": []}`,
		"openstack/latest/user_data":         "#cloud-config\nwrite_files: [{path: /opt/x, content: y}]\n",
		"openstack/latest/network_data.json": driveNetworks,
		"ec2/latest/meta-data.json":          `{"instance-id": "i-0", "local-hostname": "other"}`,
	})
	if all.faults != nil || all.warnings != nil {
		t.Fatalf("faults %v, warnings %v", all.faults, all.warnings)
	}
	if all.hostname != "test.novalocal" && all.hostname != "test" || !slices.Equal(all.keys, []string{keyOne, keyTwo}) {
		t.Errorf("got %q, %q", all.hostname, all.keys)
	}
	var got []string
	for _, each := range all.netdevs {
		got = append(got, fmt.Sprintf("%s|%s|%s: %s", each.id, each.mac, each.setName, each))
	}
	all4 := strings.Join(got, "\n")
	for _, want := range []string{
		"tap2ecc7709-b3|fa:16:3e:69:b0:58|: DHCP", "if-1|52:54:00:aa:00:01|", "bond0|", "vlan101|", "10.184.0.244/20, 2001:cdba::3257:9652/24",
		"route 10.0.0.0/8 via 10.184.0.1", "route 0.0.0.0/0 via 10.184.0.1", "route ::/0 via fd00::1",
	} {
		if !strings.Contains(all4, want) {
			t.Errorf("no %q in\n%s", want, all4)
		}
	}
	if servers := resolvConf(all.netdevs).servers; !strings.Contains(servers, "nameserver 8.8.8.8\n") || !strings.Contains(servers, "2001:db8::53") {
		t.Errorf("got %q", servers)
	}
}

func TestAConfigDriveOfEC2IsRead(t *testing.T) {
	all := driveRead(t, map[string]string{
		"ec2/latest/meta-data.json": `{"instance-id": "i-1", "local-hostname": "ec2", "public-keys": {"0": {"openssh-key": "` + keyOne + `"}}, "ami-id": "x"}`,
		"ec2/latest/user-data":      "#cloud-config\nhostname: given\n",
	})
	if all.faults != nil || all.hostname != "given" && all.hostname != "ec2" || !slices.Equal(all.keys, []string{keyOne}) {
		t.Errorf("got %q, %q, %v", all.hostname, all.keys, all.faults)
	}
}

func TestWhatIsWrongOnAConfigDriveIsToldAndKeepsTheRest(t *testing.T) {
	meta := `{"hostname": "n"}`
	tests := []struct{ name, network, want string }{
		{"no JSON", `{`, "network_data.json: unexpected end"},
		{"no such link", `{"networks": [{"link": "x", "type": "ipv4_dhcp"}]}`, `networks[0]: there is no link "x"`},
		{"no address of a card", `{"links": [{"id": "a", "type": "phy"}]}`, "links[0]: a link of the type \"phy\" needs ethernet_mac_address"},
		{"twice", `{"links": [{"id": "a", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:01"}, {"id": "a"}]}`, "links[1]: its id"},
		{"a part that is none", `{"links": [{"id": "b", "type": "bond", "bond_links": ["x"]}]}`, `links[0]: there is no link "x"`},
		{"a mask", `{"links": [{"id": "a", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:01"}],
			"networks": [{"link": "a", "type": "ipv4", "ip_address": "10.0.0.1", "netmask": "255.0.255.0"}]}`, `10.0.0.1: the netmask "255.0.255.0" is none`},
		{"a kind", `{"links": [{"id": "a", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:01"}], "networks": [{"link": "a", "type": "x25"}]}`, `"x25" is not known`},
		{"an address", `{"links": [{"id": "a", "type": "phy", "ethernet_mac_address": "52:54:00:00:00:01"}],
			"networks": [{"link": "a", "type": "ipv4", "ip_address": "10.0.0.300/24"}]}`, "10.0.0.300"},
	}
	for _, test := range tests {
		all := driveRead(t, map[string]string{"openstack/latest/meta_data.json": meta, "openstack/latest/network_data.json": test.network})
		if err := all.failure(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v", test.name, err)
		}
		if all.hostname != "n" {
			t.Errorf("%s: the name is %q", test.name, all.hostname)
		}
	}
	given, err := load(options{from: drivePut(t, map[string]string{"openstack/latest/meta_data.json": meta})}, nil)
	if err != nil || string(given.files[metaDataFile]) != `{"local-hostname":"n"}` {
		t.Errorf("got %v, %v", given, err)
	}
	if _, err := readDrive("test", drivePut(t, map[string]string{"openstack/2012-08-10/meta_data.json": meta})); !errors.Is(err, errNoFiles) {
		t.Errorf("got %v", err)
	}
}

func TestFirmwareConfigurationComesFirst(t *testing.T) {
	sys := t.TempDir()
	if _, found := readFirmware(sys); found {
		t.Error("found in an empty folder")
	}
	write(t, filepath.Join(sys, fwcfgFolder, "user-data/raw"), "#cloud-config\nhostname: from-qemu\n")
	write(t, filepath.Join(sys, fwcfgFolder, "other/raw"), "x")
	held, err := load(options{sys: sys}, nil)
	all := image("/").parse(held.files)
	if err != nil || all.hostname != "from-qemu" || len(held.files) != 1 {
		t.Errorf("got %v, %v", held, err)
	}
}
