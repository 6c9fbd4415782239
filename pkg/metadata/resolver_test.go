package main

import (
	"io"
	"os"
	"path/filepath"
	"testing"
)

func TestWhatMetadataDoNotSayOfNamesIsTheRecipeS(t *testing.T) {
	recipe := "nameserver 192.0.2.53\nnameserver 2001:db8::53\nsearch of.recipe\n"
	servers, search := "nameserver 192.0.2.53\nnameserver 2001:db8::53\n", "search of.recipe\n"
	for name, test := range map[string]struct{ recipe, network, head, tail string }{
		"no word of it":       {"", "", "", ""},
		"the recipe's":        {recipe, "", servers, search},
		"both the node's own": {recipe, "addresses: [192.0.2.9], search: [a.b]", "nameserver 192.0.2.9\n", "search a.b\n"},
		"servers of its own":  {recipe, "addresses: [192.0.2.9]", "nameserver 192.0.2.9\n", search},
		"domains of its own":  {recipe, "search: [a.b]", servers, "search a.b\n"},
	} {
		from, root := t.TempDir(), t.TempDir()
		config := "{version: 2, ethernets: {eth1: {addresses: [192.0.2.1/24], nameservers: {" + test.network + "}}}}"
		for path, text := range map[string]string{
			filepath.Join(from, "meta-data"): "", filepath.Join(from, "network-config"): config, filepath.Join(root, resolvRecipe): test.recipe,
		} {
			if err := writeFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if err := run(options{from: from, root: root, dryRun: true}, nil, io.Discard, io.Discard); err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]string{resolvFile: test.head + test.tail, resolvHead: test.head, resolvTail: test.tail} {
			text, _ := os.ReadFile(filepath.Join(root, path))
			if string(text) != want {
				t.Errorf("%s: %s: got %q, want %q", name, path, text, want)
			}
		}
	}
}

func TestANodeWithoutMetadataHasTheRecipeSResolver(t *testing.T) {
	root := t.TempDir()
	if err := writeFile(filepath.Join(root, resolvRecipe), "search a.b\n", 0o644); err != nil {
		t.Fatal(err)
	}
	_ = run(options{from: filepath.Join(root, "none"), root: root, dryRun: true}, nil, io.Discard, io.Discard)
	if text, _ := os.ReadFile(filepath.Join(root, resolvTail)); string(text) != "search a.b\n" {
		t.Errorf("got %q", text)
	}
}
