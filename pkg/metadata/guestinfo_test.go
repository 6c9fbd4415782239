package main

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"
)

// As Cluster API's provider for vSphere and cloud-init's documentation write it.
const guestMetaText = `instance-id: "i-1"
local-hostname: "node-7"
wait-on-network: {ipv4: true}
network:
  version: 2
  ethernets:
    id0: {match: {macaddress: "00:50:56:00:00:07"}, set-name: eth0, addresses: [192.0.2.7/24], gateway4: 192.0.2.1}
`

// holds is a hypervisor with these values.
func holds(values map[string]string) ask {
	return func(name string) (string, error) { return values[name], nil }
}

func inBase64(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }

func zippedInBase64(t *testing.T, text string) string {
	t.Helper()
	var out bytes.Buffer
	writer := gzip.NewWriter(&out)
	if _, err := writer.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := writer.Close(); err != nil {
		t.Fatal(err)
	}
	return base64.StdEncoding.EncodeToString(out.Bytes())
}

func TestGuestinfoIsReadInEachEncoding(t *testing.T) {
	user := "#cloud-config\nssh_authorized_keys: ['" + keyOne + "']\n"
	embedded := "instance-id: i-1\nlocal-hostname: node-7\nwait-on-network: {}\nnetwork.encoding: gzip+base64\nnetwork: " +
		zippedInBase64(t, "version: 2\nethernets: {id0: {match: {macaddress: '00:50:56:00:00:07'}, addresses: [192.0.2.7/24]}}\n")
	for name, values := range map[string]map[string]string{
		"plain":          {guestMeta: guestMetaText, guestUser: user},
		"NUL at its end": {guestMeta: guestMetaText + "\x00", guestUser: user + "\x00"},
		"base64":         {guestMeta: inBase64(guestMetaText), "metadata.encoding": "base64", guestUser: inBase64(user), "userdata.encoding": "b64"},
		"gzip": {
			guestMeta: zippedInBase64(t, guestMetaText), "metadata.encoding": "gzip+base64",
			guestUser: zippedInBase64(t, user), "userdata.encoding": "gz+b64",
		},
		"the network by itself": {guestMeta: embedded, guestUser: user},
	} {
		held, found := readGuestinfo(holds(values))
		if !found || held.faults != nil || held.others != nil {
			t.Errorf("%s: %v, %v, %v", name, found, held.faults, held.others)
			continue
		}
		all := image("/").parse(held.files)
		if all.faults != nil || all.hostname != "node-7" || !slices.Equal(all.keys, []string{keyOne}) {
			t.Errorf("%s: got %q, %q, %v", name, all.hostname, all.keys, all.faults)
		}
		if len(all.netdevs) != 1 || !strings.Contains(all.netdevs[0].String(), "192.0.2.7/24") {
			t.Errorf("%s: got %v", name, all.netdevs)
		}
		if len(all.warnings) != 1 || !strings.Contains(all.warnings[0], "wait-on-network") {
			t.Errorf("%s: warned of %q", name, all.warnings)
		}
	}
}

func TestGuestinfoWithNothingInItIsNone(t *testing.T) {
	empty := ovfWith(`<Property oe:key="hostname" oe:value=""/>`)[ovfFile]
	for _, values := range []map[string]string{{}, {guestMeta: "---", guestUser: "--- \n"}, {guestOVF: empty}, {guestVendor: "#cloud-config\n"}} {
		if held, found := readGuestinfo(holds(values)); found {
			t.Errorf("%v: got %v", values, held)
		}
	}
}

func TestAnOVFEnvironmentComesByGuestinfo(t *testing.T) {
	environment := ovfWith(`<Property oe:key="hostname" oe:value="by-ovf"/>`)[ovfFile]
	held, found := readGuestinfo(holds(map[string]string{guestOVF: environment}))
	if all := image("/").parse(held.files); !found || all.hostname != "by-ovf" || all.faults != nil {
		t.Errorf("got %v, %q, %v", found, all.hostname, all.faults)
	}
	both := map[string]string{guestMeta: "local-hostname: by-hand\n", guestOVF: environment, guestVendor: "x"}
	held, _ = readGuestinfo(holds(both))
	if all := image("/").parse(held.files); all.hostname != "by-hand" || !slices.Equal(held.others, []string{"guestinfo.vendordata", "guestinfo.ovfEnv"}) {
		t.Errorf("got %q, and not read: %q", all.hostname, held.others)
	}
	held, found = readGuestinfo(holds(map[string]string{guestOVF: "<Environment"}))
	if !found || len(held.faults) != 1 {
		t.Errorf("one that breaks off: got %v, %v", found, held.faults)
	}
}

func TestWhatGuestinfoHasWrong(t *testing.T) {
	for wanted, values := range map[string]map[string]string{
		`guestinfo.userdata: "rot13" is not known here`:                  {guestUser: "x", "userdata.encoding": "rot13"},
		"guestinfo.userdata: the content is no base64":                   {guestUser: "%%%", "userdata.encoding": "base64"},
		"guestinfo.userdata: the content can't be unpacked: it is":       {guestUser: inBase64("x"), "userdata.encoding": "gzip+base64"},
		"guestinfo.metadata, line 2, network: keys with values":          {guestMeta: "instance-id: i-1\nnetwork: [a]\n"},
		"guestinfo.metadata, line 1, network: the content is no":         {guestMeta: "network: '%'\nnetwork.encoding: b64\n"},
		"network-config, line 1, version: a node doesn't know version 9": {guestMeta: "network: {version: 9}\n"},
		"meta-data, line 2: ": {guestMeta: "instance-id: i-1\nb: [\n"},
	} {
		held, found := readGuestinfo(holds(values))
		faults := append(held.faults, image("/").parse(held.files).faults...)
		if !found || len(faults) != 1 || !strings.Contains(faults[0].Error(), wanted) {
			t.Errorf("%v: got %v, %v; wanted %q", values, found, faults, wanted)
		}
	}
}

func TestAHypervisorThatDoesNotAnswerIsAFault(t *testing.T) {
	held, found := readGuestinfo(func(string) (string, error) { return "", errors.New("could not open channel") })
	if !found || len(held.faults) != 2 || !strings.Contains(held.faults[0].Error(), "could not open channel") {
		t.Errorf("got %v, %v", found, held.faults)
	}
}

func TestGuestinfoInAFolder(t *testing.T) {
	folder := drivePut(t, map[string]string{
		"guestinfo.metadata": inBase64(guestMetaText), "guestinfo.metadata.encoding": "base64\n", "guestinfo.userdata": "#cloud-config\n",
	})
	held, err := load(options{from: folder}, nil)
	if all := image("/").parse(held.files); err != nil || all.hostname != "node-7" || all.faults != nil {
		t.Errorf("got %v, %q, %v", err, all.hostname, all.faults)
	}
}

func TestThisMachineIsAskedOnlyIfItIsVMwares(t *testing.T) {
	if !onVMware() {
		return // which ended without a fault of the processor
	}
	if _, err := askVMware(guestMeta); err != nil {
		t.Error(err)
	}
}
