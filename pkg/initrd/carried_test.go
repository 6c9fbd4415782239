package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kubeiso.dev/pkg/initrd/console"
)

func sum(content string) string {
	found := sha256.Sum256([]byte(content))
	return hex.EncodeToString(found[:])
}

func TestLayersOfTheInitramfsAreTakenWhenTheyAreWhole(t *testing.T) {
	root := t.TempDir()
	wanted := config{Layers: []string{"kubeiso/a", "kubeiso/b"}, Digests: []string{sum("one"), sum("two")}}
	if wanted.carried(root) {
		t.Error("there are none yet")
	}
	write(t, filepath.Join(root, "kubeiso/a"), "one")
	write(t, filepath.Join(root, "kubeiso/b"), "two")
	var shown bytes.Buffer
	if err := wanted.verify(console.New(&shown), root); err != nil || !wanted.carried(root) {
		t.Errorf("%v\n%s", err, &shown)
	}
	for name, change := range map[string]func() error{
		"cut short": func() error { return os.Truncate(filepath.Join(root, "kubeiso/b"), 2) },
		"changed":   func() error { return os.WriteFile(filepath.Join(root, "kubeiso/b"), []byte("twO"), 0o600) },
		"missing":   func() error { return os.Remove(filepath.Join(root, "kubeiso/b")) },
	} {
		write(t, filepath.Join(root, "kubeiso/b"), "two")
		if err := change(); err != nil {
			t.Fatal(err)
		}
		shown.Reset()
		err := wanted.verify(console.New(&shown), root)
		if err == nil || !strings.Contains(shown.String(), `"state":"failed"`) {
			t.Errorf("%s: %v\n%s", name, err, &shown)
		}
		if name != "missing" && !strings.Contains(err.Error(), "b has the SHA-256 digest ") {
			t.Errorf("%s: %v", name, err)
		}
		_ = os.Remove(filepath.Join(root, "kubeiso/b"))
	}
}
