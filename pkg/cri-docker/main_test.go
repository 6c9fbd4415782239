package main

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestOptions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "config.json")
	for text, want := range map[string]string{
		`{"pause": "a:1", "listen": "/x"}`: "", `{"pauze": "a:1"}`: "pauze", `{"pause": 5}`: "pause", `{`: path,
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		given, err := read(path)
		switch {
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: error %v does not name %s", text, err, want)
		case want == "" && (err != nil || given.Pause != "a:1" || given.Listen != "/x" || given.CNIBin != defaults().CNIBin):
			t.Errorf("%s: %+v, %v", text, given, err)
		}
	}
}

func TestTheSocketIsForRootAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "cri.sock")
	if err := os.WriteFile(path, nil, 0o777); err != nil { // what an earlier server left
		t.Fatal(err)
	}
	listener, err := listen("unix://" + path)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != socketMode {
		t.Errorf("%v, %v", info, err)
	}
	if connection, err := net.Dial("unix", path); err != nil {
		t.Error(err)
	} else {
		connection.Close()
	}
}

func TestPinnedNames(t *testing.T) {
	path := filepath.Join(t.TempDir(), "images")
	if found, err := names(path); err != nil || found != nil {
		t.Errorf("%v, %v", found, err)
	}
	if err := os.WriteFile(path, []byte("a:1\nb:2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if found, err := names(path); err != nil || len(found) != 2 || found[1] != "b:2" {
		t.Errorf("%v, %v", found, err)
	}
}
