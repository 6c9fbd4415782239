package main

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
)

const ovfHead = `<?xml version="1.0" encoding="UTF-8"?>
<Environment xmlns="http://schemas.dmtf.org/ovf/environment/1" xmlns:oe="http://schemas.dmtf.org/ovf/environment/1"
  xmlns:ve="http://www.vmware.com/schema/ovfenv" oe:id="" ve:vCenterId="vm-1">
 <PlatformSection><Kind>VMware ESXi</Kind><Version>7.0.3</Version></PlatformSection>
`

func ovfWith(properties string) map[string]string {
	return map[string]string{ovfFile: ovfHead + "<PropertySection>" + properties + "</PropertySection></Environment>"}
}

func TestAnOVFEnvironmentIsRead(t *testing.T) {
	user := base64.StdEncoding.EncodeToString([]byte("#cloud-config\nwrite_files: [{path: /opt/x, content: y}]\n"))
	network := base64.StdEncoding.EncodeToString([]byte("version: 2\nethernets: {one: {match: {macaddress: '52:54:00:00:00:01'}, addresses: [10.0.0.5/24]}}\n"))
	folder := drivePut(t, ovfWith(`
		<Property oe:key="hostname" oe:value="Node-1"/><Property oe:key="instance-id" oe:value="i-1"/>
		<Property oe:key="public-keys" oe:value="`+keyOne+`, `+keyTwo+`"/>
		<Property oe:key="user-data" oe:value="`+user+`"/><Property oe:key="network-config" oe:value="`+network+`"/>
		<Property oe:key="password" oe:value="secret"/><Property oe:key="seedfrom" oe:value=""/>`))
	held, err := load(options{from: folder}, nil)
	if err != nil || held.faults != nil {
		t.Fatal(err, held.faults)
	}
	all := image("/").parse(held.files)
	if all.faults != nil || all.hostname != "node-1" || !slices.Equal(all.keys, []string{keyOne, keyTwo}) {
		t.Errorf("got %q, %q, %v", all.hostname, all.keys, all.faults)
	}
	if len(all.netdevs) != 1 || !strings.Contains(all.netdevs[0].String(), "10.0.0.5/24") {
		t.Errorf("got %v", all.netdevs)
	}
	if !slices.Equal(held.others, []string{"password"}) {
		t.Errorf("not told of: %v", held.others)
	}
}

func TestAnOVFEnvironmentWithNothingFilledInChangesNothing(t *testing.T) {
	held, err := readOVF("test", drivePut(t, ovfWith(`<Property oe:key="hostname" oe:value=""/><Property oe:key="user-data" oe:value=" "/>`)))
	if err != nil {
		t.Fatal(err)
	}
	all := image("/").parse(held.files)
	if all.faults != nil || all.warnings != nil || all.hostname != "" || all.keys != nil || held.others != nil {
		t.Errorf("got %q, %v, %v, %v, %v", all.hostname, all.keys, all.faults, all.warnings, held.others)
	}
}

func TestACommaWithinAKeyPartsNothing(t *testing.T) {
	one := `from="10.0.0.1,10.0.0.2",no-pty ` + keyOne
	if got := keysOf(one + ", " + keyTwo + "\n"); !slices.Equal(got, []string{one, keyTwo}) {
		t.Errorf("got %q", got)
	}
}

func TestPlainTextInAPropertyIsTakenAsItIs(t *testing.T) {
	held, _ := readOVF("test", drivePut(t, ovfWith(`<Property oe:key="user-data" oe:value="#cloud-config&#10;hostname: plain&#10;"/>`)))
	if all := image("/").parse(held.files); all.hostname != "plain" {
		t.Errorf("got %q, %v", all.hostname, all.faults)
	}
}

func TestWhatIsNoOVFEnvironmentIsTold(t *testing.T) {
	for _, text := range []string{"", "<Environment", "<Other/>", ovfHead} {
		held, err := readOVF("test", drivePut(t, map[string]string{ovfFile: text}))
		if err != nil || len(held.faults) != 1 || !strings.Contains(held.faults[0].Error(), ovfFile) {
			t.Errorf("%q: got %v, %v", text, held.faults, err)
		}
	}
	if _, err := readOVF("test", t.TempDir()); !errors.Is(err, errNoFiles) {
		t.Errorf("got %v", err)
	}
}
