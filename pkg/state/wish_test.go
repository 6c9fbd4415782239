package main

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const someUUID = "73348d76-bfca-41f2-bc0c-8e0e7e0a5649"

func TestWhatTheDiskHasToBe(t *testing.T) {
	for _, test := range []struct {
		arguments         []string
		metadata, cmdline string
		want              wish
	}{
		{nil, "", "", wish{need: optional, by: "the recipe", label: usual}},
		{[]string{"-need", "none"}, "", "", wish{need: none, by: "the recipe", label: usual}},
		{
			[]string{"-need", "required", "-label", "L", "-path", "/dev/vdb", "-smallest", "5", "-format", "blank"}, "", "",
			wish{need: required, by: "the recipe", label: "L", path: "/dev/vdb", smallest: 5, blank: true},
		},
		{nil, "required\n", "", wish{need: required, by: "METADATA", label: usual}},
		{[]string{"-format", "blank"}, strings.ToUpper(someUUID), "", wish{need: required, by: "METADATA", label: usual, uuid: someUUID}},
		{nil, "", argument + "=required", wish{need: required, by: "the kernel's command line", label: usual}},
		{nil, "", "a " + argument + "=" + someUUID, wish{need: required, by: "the kernel's command line", label: usual, uuid: someUUID}},
		{nil, someUUID, argument + "=repair", wish{need: required, by: "METADATA", label: usual, uuid: someUUID, repair: true}},
		{nil, "", argument + "=off", wish{need: none, by: argument + "=off", label: usual}},
	} {
		file := metadataFile(t, test.metadata)
		got, err := allWishes(test.arguments, file, test.cmdline)
		got.by = strings.Replace(got.by, "the node's metadata ("+file+")", "METADATA", 1)
		if err != nil || got != test.want {
			t.Errorf("%+v:\ngot  %+v, %v\nwant %+v", test, got, err, test.want)
		}
	}
}

func metadataFile(t *testing.T, text string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "disk")
	if text != "" {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return file
}

func TestWhatMakesNoSenseIsAMistakeOfTheUser(t *testing.T) {
	for _, test := range []struct {
		arguments         []string
		metadata, cmdline string
		said              string
	}{
		{[]string{"-need", "maybe"}, "", "", "none of required, optional and none: maybe"},
		{[]string{"-format", "all"}, "", "", "-format is not blank: all"},
		{[]string{"more"}, "", "", `the argument "more" means nothing`},
		{nil, "vdb", "", `neither required nor a file system's UUID: "vdb"`},
		{nil, "", argument + "=maybe", "maybe"},
		{[]string{"-need", "required"}, "", argument + "=off", "the recipe says that this node has a state disk"},
		{nil, someUUID, argument + "=off", "the node would begin as a new one"},
	} {
		_, err := allWishes(test.arguments, metadataFile(t, test.metadata), test.cmdline)
		if !errors.Is(err, errMistake) || !strings.Contains(err.Error(), test.said) {
			t.Errorf("%+v: got %v", test, err)
		}
	}
}
