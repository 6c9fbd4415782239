package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// put writes files below a folder.
func put(t *testing.T, root string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
}

// all gives every file below a folder, with its text.
func all(t *testing.T, root string) string {
	t.Helper()
	var said strings.Builder
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		said.WriteString(strings.TrimPrefix(path, root) + ": " + string(text) + "\n")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return said.String()
}

func manifest(tag string) string {
	return "spec:\n  containers:\n  - command: [kube-apiserver]\n    image: registry.k8s.io/kube-apiserver:v" + tag + "\n    name: kube-apiserver\n"
}

const conf = "apiVersion: v1\n"

func noted(kubernetes string) string {
	return "layout=1\nrelease=0.1.0\nkubernetes=" + kubernetes + "\nrole=master\n"
}

func TestAMediumThatMustNotGoOnIsRefusedAndNothingIsTouched(t *testing.T) {
	with := func(kubernetes string, more ...string) map[string]string {
		files := map[string]string{memberFile: conf, recordFile: noted(kubernetes)}
		for _, name := range more {
			files[name] = "x"
		}
		return files
	}
	for name, test := range map[string]struct {
		files map[string]string
		now   release
		said  []string
	}{
		"older":                    {with("1.37.2"), release{kubernetes: "1.36.3"}, []string{"v1.36.3 is older", "boot a medium with v1.37;"}},
		"older major":              {with("2.0.0"), release{kubernetes: "1.36.3"}, []string{"is older", "boot a medium with v2.0;"}},
		"a jump":                   {with("1.36.3"), release{kubernetes: "1.38.0"}, []string{"skips a minor version", "boot a medium with v1.37 first"}},
		"another major":            {with("1.36.3"), release{kubernetes: "2.0.0"}, []string{"skips a minor version"}},
		"not done yet":             {with("1.37.2", upgradeFile), release{kubernetes: "1.38.0"}, []string{"not done yet", "boot a medium with v1.37, until"}},
		"a worker's":               {with("1.36.3", masterFile), release{kubernetes: "1.36.3", role: "worker"}, []string{"boot a master's medium"}},
		"a newer kubeiso":          {map[string]string{recordFile: "layout=2\n"}, release{kubernetes: "1.38.0"}, []string{"layout 2; this medium knows 1"}},
		"without its kubelet.conf": {map[string]string{masterFile: manifest("1.37.2")}, release{kubernetes: "1.36.3"}, []string{"v1.36.3 is older"}},
		"with its data alone":      {map[string]string{etcdData: "x", recordFile: noted("1.37.2")}, release{kubernetes: "1.36.3"}, []string{"is older"}},
		"without a record":         {map[string]string{memberFile: conf, masterFile: manifest("1.37.2")}, release{kubernetes: "1.36.3"}, []string{"v1.36.3 is older"}},
	} {
		n, target := withDisk(t, 100), t.TempDir()
		put(t, target, test.files)
		before := all(t, target)
		on := recorder{left: 500}
		err := run(usualWish(t, ""), n.finder(on.system(), nothing), target, test.now, &bytes.Buffer{})
		if !errors.Is(err, errMistake) || !strings.HasSuffix(err.Error(), "; nothing was touched") {
			t.Fatalf("%s: %v", name, err)
		}
		for _, part := range append(test.said, "; next: ") {
			if !strings.Contains(err.Error()+";", part) {
				t.Errorf("%s: %q is not in %q", name, part, err)
			}
		}
		if strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: the stage's error is its last line: %q", name, err)
		}
		if after := all(t, target); after != before {
			t.Errorf("%s: changed to %s", name, after)
		}
		if last := on.calls[len(on.calls)-1]; last != "unmount" {
			t.Errorf("%s: %v", name, on.calls)
		}
	}
	if why := (history{}).refusal(release{kubernetes: "1.36.3"}); why != "" {
		t.Error(why)
	}
}

func TestWhatMayFollowIsTakenAndNoted(t *testing.T) {
	for name, test := range map[string]struct {
		files map[string]string
		now   version
		noted version
		said  string
	}{
		"a new disk":                 {nil, "1.36.3", "1.36.3", ""},
		"the same":                   {map[string]string{memberFile: conf, recordFile: noted("1.36.3")}, "1.36.3", "1.36.3", ""},
		"a newer patch":              {map[string]string{memberFile: conf, recordFile: noted("1.36.3")}, "1.36.10", "1.36.10", ", with what Kubernetes v1.36.3 left"},
		"the former patch":           {map[string]string{memberFile: conf, recordFile: noted("1.36.10")}, "1.36.3", "1.36.3", ", with what Kubernetes v1.36.10 left"},
		"the next minor":             {map[string]string{memberFile: conf, recordFile: noted("1.36.3")}, "1.37.2", "1.36.3", ", with what Kubernetes v1.36.3 left"},
		"an upgrade that goes on":    {map[string]string{memberFile: conf, upgradeFile: "x", recordFile: noted("1.37.2")}, "1.37.2", "1.37.2", ""},
		"its patch meanwhile":        {map[string]string{memberFile: conf, upgradeFile: "x", recordFile: noted("1.37.2")}, "1.37.3", "1.37.3", ", with what Kubernetes v1.37.2 left"},
		"no cluster any more":        {map[string]string{recordFile: noted("1.37.2")}, "1.36.3", "1.36.3", ""},
		"an init that never got far": {map[string]string{masterFile: manifest("1.37.2"), etcdData: "x", unfinishedFile: "begun\n"}, "1.36.3", "1.36.3", ""},
		"a worker without a note":    {map[string]string{memberFile: conf}, "1.37.2", "1.37.2", ""},
		"a master without a note":    {map[string]string{memberFile: conf, masterFile: manifest("1.36.3")}, "1.37.2", "1.36.3", ", with what Kubernetes v1.36.3 left"},
		"a note cut short":           {map[string]string{memberFile: conf, recordFile: "lay"}, "1.37.2", "1.37.2", ""},
		"a build of one's own":       {map[string]string{memberFile: conf, recordFile: noted("1.36.3")}, "1.37.0-alpha.1_x-dirty", "1.36.3", ", with what"},
	} {
		n, target := withDisk(t, 0), t.TempDir()
		put(t, target, test.files)
		on := recorder{left: 500}
		var out bytes.Buffer
		err := run(usualWish(t, ""), n.finder(on.system(), nothing), target, release{"0.1.0", test.now, "master"}, &out)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		text, err := os.ReadFile(filepath.Join(target, recordFile))
		if err != nil || string(text) != noted(string(test.noted)) {
			t.Errorf("%s: %v, noted %q", name, err, text)
		}
		if !strings.Contains(out.String(), "keeps "+target+test.said) {
			t.Errorf("%s: %q", name, &out)
		}
	}
}

func TestADiskThatTakesNoNoteIsUsedAllTheSame(t *testing.T) {
	target := t.TempDir()
	put(t, target, map[string]string{recordFile + ".new/x": "in the way"})
	if remark, err := accept(target, release{kubernetes: "1.36.3"}); err != nil || !strings.Contains(remark, "could not be noted") {
		t.Errorf("%q, %v", remark, err)
	}
}

func TestTheMediumSaysWhatItIs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "os-release")
	put(t, filepath.Dir(file), map[string]string{"os-release": "NAME=kubeiso\nPRETTY_NAME=\"a = b\"\nVERSION_ID=1.37.2\nVARIANT_ID=worker\nIMAGE_VERSION=\"0.1.0\"\n"})
	if now, err := readRelease(file); err != nil || now != (release{"0.1.0", "1.37.2", "worker"}) {
		t.Errorf("%+v, %v", now, err)
	}
	if now, err := readRelease(file + ".none"); err == nil || now != (release{}) {
		t.Errorf("%+v, %v", now, err)
	}
}
