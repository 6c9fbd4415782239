package logfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(text)
}

func TestRotation(t *testing.T) {
	tests := []struct {
		name         string
		before       string
		writes       []string
		now, rotated string
	}{
		{"below the limit", "", []string{"aaaa", "bbbb"}, "aaaabbbb", ""},
		{"exactly the limit", "", []string{"aaaa", "bbbbbb"}, "aaaabbbbbb", ""},
		{"over the limit", "", []string{"aaaa", "bbbbbbb"}, "bbbbbbb", "aaaa"},
		{"twice", "", []string{"aaaaaa", "bbbbbb", "cccccc"}, "cccccc", "bbbbbb"},
		{"one write over the limit", "", []string{strings.Repeat("x", 30)}, strings.Repeat("x", 30), ""},
		{"counts what was there", "12345678", []string{"abc"}, "abc", "12345678"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log/kubelet.log")
			if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(path, []byte(test.before), 0o600); err != nil {
				t.Fatal(err)
			}
			log, err := open(path, 10)
			if err != nil {
				t.Fatal(err)
			}
			for _, text := range test.writes {
				if n, err := log.Write([]byte(text)); n != len(text) || err != nil {
					t.Fatalf("write gave %d, %v", n, err)
				}
			}
			if err := log.Close(); err != nil {
				t.Fatal(err)
			}
			if now, rotated := read(t, path), read(t, path+".1"); now != test.now || rotated != test.rotated {
				t.Errorf("got %q and %q", now, rotated)
			}
		})
	}
}

func TestOpenMakesFolderAndCloseIsFinal(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a/b.log")
	log, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	if n, err := log.Write([]byte("late")); n != 4 || err != nil || read(t, path) != "" {
		t.Errorf("write after close: %d, %v", n, err)
	}
}
