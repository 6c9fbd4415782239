package main

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	keyOne = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f one@example.org"
	keyTwo = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB8eHRwbGhkYFxYVFBMSERAPDg0MCwoJCAcGBQQDAgEA"
)

// texts turns the files of a test into those of a volume.
// parse reads the files on a node whose image says nothing of kubeadm.
func parse(files map[string][]byte) *wanted { return image("testdata/none").parse(files) }

func texts(files map[string]string) map[string][]byte {
	made := map[string][]byte{}
	for name, text := range files {
		made[name] = []byte(text)
	}
	return made
}

// must parses files that have no mistake.
func must(t *testing.T, files map[string]string) *wanted {
	t.Helper()
	all := parse(texts(files))
	if err := all.failure(); err != nil {
		t.Fatalf("unexpected: %v", err)
	}
	return all
}

func TestMistakesAreToldWithFileLineAndKey(t *testing.T) {
	tests := []struct{ file, text, want string }{
		{"meta-data", "local-hostname: a_b\n", `meta-data, line 1, local-hostname: "a_b" is no name for a node: it has '_'`},
		{"meta-data", "local-hostname: [a]\n", "meta-data, line 1, local-hostname: a text is expected"},
		{"meta-data", "a: 1\nlocal-hostname: -web\n", `meta-data, line 2, local-hostname: "-web" is no name for a node: its part "-web" begins`},
		{"meta-data", "local-hostname: a..b\n", "it has an empty part"},
		{"meta-data", "local-hostname: " + strings.Repeat("a", 64) + "\n", "it has 64 characters, and 63 are the limit"},
		{"meta-data", "hostname: a\nhostname: b\n", "meta-data, line 2, hostname: the key is there twice"},
		{"meta-data", "- a\n", "meta-data, line 1: keys with values are expected"},
		{"meta-data", "a: b: c\n", "meta-data, line 1: mapping values"},
		{"meta-data", "a: 1\nb: 2\n c: 3\n", "meta-data, line 3: mapping values"},
		{"meta-data", "a: 1\n---\nb: 1\n", "meta-data: there is more than one YAML document"},
		{"meta-data", "public-keys:\n- ssh-rsa !\n", "meta-data, line 2, public-keys[0]: this is no SSH public key"},
		{"meta-data", "public-keys: {me: [{a: b}]}\n", "meta-data, line 1, public-keys.me[0]: a text is expected"},
		{"user-data", "#!/bin/sh\necho\n", "user-data, line 1: it is a script, and a node runs none"},
		{"user-data", "MIME-Version: 1.0\n", "line 1: it is a MIME message"},
		{"user-data", "#include\nhttp://x\n", "a node fetches nothing"},
		{"user-data", "## template: jinja\n#cloud-config\nhostname: {{ ds.x }}\n", "line 3: {{ ds.x }}: meta-data has no such thing"},
		{"user-data", "\x1f\x8bx", "user-data: "},
		{"user-data", "#cloud-config\nwrite_files:\n- {path: /run/config/x, source: {uri: 'http://x'}}\n", "write_files[0].source: a node fetches nothing"},
		{"user-data", "#cloud-config\nhostname: &a {<<: *a}\n", "a text is expected"},
		{"user-data", "#cloud-config\n<<: [1]\n", "takes a mapping"},
		{"user-data", "# cloud-config\n", "user-data, line 1: it is in a form that a node doesn't know"},
		{"user-data", "#cloud-config\nssh_authorized_keys: 5\n", "user-data, line 2, ssh_authorized_keys: this is no SSH"},
		{"user-data", "#cloud-config\nwrite_files:\n- {path: /etc/x, content: y}\n", `user-data, line 3, write_files[0]: path: "/etc/x" is below none of`},
		{"user-data", "#cloud-config\nwrite_files:\n- {path: /run/config/../x}\n", "is no plain path"},
		{"user-data", "#cloud-config\nwrite_files:\n- {path: /run/config/x, permissions: rw}\n", `permissions: "rw" is no mode`},
		{"user-data", "#cloud-config\nwrite_files:\n- {path: /run/config/x, encoding: zip}\n", `encoding: "zip" is not known`},
		{"user-data", "#cloud-config\nwrite_files:\n- {path: /run/config/x, encoding: gzip, content: YQ==}\n", "it is not compressed"},
		{"user-data", "#cloud-config\nwrite_files:\n- {path: /run/config/x, encoding: b64, content: '%'}\n", "no base64"},
		{"user-data", "#cloud-config\nwrite_files:\n- {path: /etc/x, append: true}\n", `"/etc/x" is below none of /etc/cni/net.d, /etc/kubernetes, /opt`},
		{"user-data", `{"a": {"content": "1"}`, "user-data, line 1: the JSON ends too early"},
		{"user-data", "{\n\"a\": {\n\"content\": 1}}", "user-data, line 3, a.content: a text is expected"},
		{"user-data", "{\n\"a\":\n{}}", `a: an entry has either "content"`},
		{"user-data", `{"a": {"content": "", "entries": {}}}`, `a: an entry has either "content"`},
		{"user-data", `{"a": {"contents": ""}}`, `"contents" is no key of an entry`},
		{"user-data", "{\n\"a\": {\"content\": \"\", \"perm\": \"9\"}}", `user-data, line 2, a: "9" is no mode`},
		{"user-data", `{"a/b": {"content": ""}}`, `"a/b" is no name of a file`},
		{"user-data", `{"..": {"content": ""}}`, `".." is no name of a file`},
		{"user-data", `{"a": {"content": ""}, "a": {"content": ""}}`, "a: the key is there twice"},
		{"user-data", `{"a": "b"}`, `a: an object with "content" or "entries" is expected`},
		{"user-data", `{"a": {"content": ""}} x`, "there is more in the file"},
		{"user-data", "{\n\n, }", "user-data, line 3: this is no JSON"},
		{"config", "[]", "config, line 1: a map of names"},
	}
	for _, test := range tests {
		faults := parse(texts(map[string]string{test.file: test.text})).faults
		if len(faults) != 1 || !strings.Contains(faults[0].Error(), test.want) {
			t.Errorf("%s %q: got %v, want %q", test.file, test.text, faults, test.want)
		}
		if err := errors.Join(faults...); !isMistake(err) {
			t.Errorf("%q: %v is no mistake of the author", test.text, err)
		}
	}
}

func TestEveryFileTellsItsMistake(t *testing.T) {
	all := parse(texts(map[string]string{
		"meta-data": "- a", "user-data": "#cloud-config\nssh_authorized_keys: [x, y]\nwrite_files: [{path: /x}]", "network-config": "version: 1",
	}))
	if len(all.faults) != 5 || strings.Contains(all.failure().Error(), "\n") {
		t.Errorf("got %v", all.faults)
	}
}

func TestPathsAreGivenOnce(t *testing.T) {
	tests := []struct {
		files map[string]string
		want  string
	}{
		{map[string]string{"user-data": `{"a": {"content": "1"}}`, "config": `{"a": {"content": "1"}}`}, "config, line 1, a: /run/config/a is given twice: here and in user-data"},
		{map[string]string{"user-data": `{"a": {"content": "1"}}`, "config": `{"a": {"entries": {}}}`}, "is given twice"},
		{map[string]string{"user-data": "#cloud-config\nwrite_files: [{path: /run/config/a/b}]", "config": `{"a": {"content": ""}}`}, "is a folder in user-data and a file here"},
		{map[string]string{"meta-data": "hostname: a", "config": `{"hostname": {"content": "b"}}`}, "/run/config/hostname is given twice"},
		{map[string]string{"meta-data": "public-keys: " + keyOne, "config": `{"ssh": {"content": "b"}}`}, "/run/config/ssh is a file in config"},
	}
	for _, test := range tests {
		if faults := parse(texts(test.files)).faults; len(faults) != 1 || !strings.Contains(faults[0].Error(), test.want) {
			t.Errorf("%v: got %v", test.files, faults)
		}
	}
}

func TestNameAndKeys(t *testing.T) {
	tests := []struct {
		meta, user, name string
		keys             []string
	}{
		{"local-hostname: a\nhostname: b", "", "a", nil},
		{"hostname: node-1.example.org", "\n", "node-1.example.org", nil},
		{"local-hostname: a", "#cloud-config\nhostname: c\n", "c", nil},
		{"local-hostname: 12", "#cloud-config\n", "12", nil},
		{"", "", "", nil},
		{"local-hostname: ESX-Node01.", "", "esx-node01", nil},
		{"local-hostname: a", "#cloud-config\nfqdn: node1.example.org\n", "node1", nil},
		{"", "#cloud-config\nfqdn: node1.example.org\nhostname: n\n", "n", nil},
		{"", "#cloud-config\nfqdn: Node1.example.org\nhostname: n\nprefer_fqdn_over_hostname: true\n", "node1.example.org", nil},
		{"", "## template: jinja\n#cloud-config\nhostname: n\n", "n", nil},
		{"local-hostname:\npublic-keys:\n", "", "", nil},
		{"public-keys: |\n  " + keyOne + "\n  # mine\n\n  " + keyTwo, "", "", []string{keyOne, keyTwo}},
		{"public-keys: [" + keyOne + "]", "#cloud-config\nssh_authorized_keys: [" + keyOne + ", " + keyTwo + "]", "", []string{keyOne, keyTwo}},
		{"public-keys: {me: " + keyOne + ", you: [" + keyTwo + "]}", "", "", []string{keyOne, keyTwo}},
		{"public-keys: ['no-pty " + keyOne + "']", "", "", []string{"no-pty " + keyOne}},
		{"{\"local-hostname\": \"a\", \"public-keys\": [\"" + keyOne + "\"]}", "", "a", []string{keyOne}},
	}
	for _, test := range tests {
		all := must(t, map[string]string{"meta-data": test.meta, "user-data": test.user})
		if all.hostname != test.name || !slices.Equal(all.keys, test.keys) {
			t.Errorf("%q %q: got %q, %q", test.meta, test.user, all.hostname, all.keys)
		}
	}
}

func TestUnknownKeysAreWarnedOf(t *testing.T) {
	all := must(t, map[string]string{
		"meta-data": "instance-id: i\ndsmode: local\n",
		"user-data": "#cloud-config\npackages: [vim]\nwrite_files:\n- {path: /run/config/x, owner: 'www:www'}\n",
	})
	want := []string{
		"meta-data, line 2, dsmode: this node does nothing with it",
		"user-data, line 4, write_files[0].owner: a node's files are root's",
		"user-data, line 2, packages: this node does nothing with it",
	}
	if !slices.Equal(all.warnings, want) {
		t.Errorf("got %q", all.warnings)
	}
}

// modes gives the modes and texts of the files below a folder.
func modes(t *testing.T, root string) map[string]string {
	t.Helper()
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		info, err := entry.Info()
		if err != nil {
			return err
		}
		text, _ := os.ReadFile(path)
		found[strings.TrimPrefix(path, root+"/")] = strings.TrimPrefix(info.Mode().String()+" "+string(text), "d")
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestFilesAreWrittenWithTheirModes(t *testing.T) {
	from, root := t.TempDir(), t.TempDir()
	user := `{"kubeadm": {"entries": {"init": {"content": "--x"}, "k": {"content": "s", "perm": "0600"}}},
 "closed": {"perm": "0500", "entries": {"in": {"entries": {}}, "f": {"content": "é\n"}}}}`
	for name, text := range map[string]string{
		"meta-data": "local-hostname: n\npublic-keys: [" + keyOne + "]", "user-data": user,
		"network-config": "{version: 2, ethernets: {eth1: {addresses: [192.0.2.1/24], nameservers: {addresses: [192.0.2.9], search: [a.b]}}, eth0: {dhcp4: true}}}",
	} {
		if err := os.WriteFile(filepath.Join(from, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out, warnings bytes.Buffer
	for range 2 { // the second run finds the files of the first
		if err := run(options{from: from, root: root, dryRun: true}, nil, &out, &warnings); err != nil {
			t.Fatal(err)
		}
		if err := os.Chmod(filepath.Join(root, "run/config/closed"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	want := map[string]string{
		"run": "rwx------ ", "run/config": "rwx------ ",
		"run/config/hostname": "-rw-r--r-- n\n", "run/config/userdata": "-rw------- " + user,
		"run/config/ssh": "rwxr-xr-x ", "run/config/ssh/authorized_keys": "-rw------- " + keyOne + "\n",
		"run/config/kubeadm": "rwxr-xr-x ", "run/config/kubeadm/init": "-rw-r--r-- --x", "run/config/kubeadm/k": "-rw------- s",
		"run/config/closed": "rwx------ ", "run/config/closed/in": "rwxr-xr-x ", "run/config/closed/f": "-rw-r--r-- é\n",
		"run/config/network": "rwxr-xr-x ", "run/config/network/static": "rwxr-xr-x ",
		"run/config/network/static/eth1": "-rw-r--r-- 192.0.2.1/24\n",
		"run/resolvconf":                 "rwxr-xr-x ", "run/resolvconf/resolv.conf": "-rw-r--r-- nameserver 192.0.2.9\nsearch a.b\n",
		"run/resolvconf/resolv.conf.head": "-rw-r--r-- nameserver 192.0.2.9\n",
		"run/resolvconf/resolv.conf.tail": "-rw-r--r-- search a.b\n",
	}
	got := modes(t, root)
	for name := range want {
		if got[name] != want[name] {
			t.Errorf("%s: got %q, want %q", name, got[name], want[name])
		}
	}
	if len(got) != len(want) || warnings.Len() > 0 || strings.Contains(out.String(), "--x") {
		t.Errorf("got %v; out %q; warnings %q", got, out.String(), warnings.String())
	}
}

func TestAfterAFaultWhatLetsPeopleInIsWrittenAndNothingElse(t *testing.T) {
	from, root := t.TempDir(), t.TempDir()
	for name, text := range map[string]string{
		"meta-data":      "local-hostname: n\npublic-keys: [" + keyOne + ", ssh-rsa broken]",
		"user-data":      `{"kubeadm": {"entries": {"init": {"content": ""}}}, "state": {"entries": {"disk": {"content": "required"}}}, "ssh": {"entries": {"authorized_keys": {"content": "` + keyTwo + `"}}}, `,
		"network-config": "{version: 2, tunnels: {b: {}}, ethernets: {eth0: {}, eth1: {addresses: [192.0.2.1/24]}}}",
	} {
		if err := os.WriteFile(filepath.Join(from, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	err := run(options{from: from, root: root, dryRun: true}, nil, &bytes.Buffer{}, &bytes.Buffer{})
	for _, want := range []string{"meta-data, line 2, public-keys[1]: this is no", "user-data, line 1: ", "network-config, line 1, tunnels: this key"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	got := modes(t, root)
	keys := "-rw-r--r-- " + keyTwo + "\n" + keyOne + "\n"
	if got["run/config/hostname"] != "-rw-r--r-- n\n" || got["run/config/ssh/authorized_keys"] != keys {
		t.Errorf("written: %v", got)
	}
	if _, found := got["run/config/network/static/eth1"]; !found {
		t.Error("the card that has got its address is left to DHCP")
	}
	if got["run/config/state/disk"] == "" {
		t.Error("the node forgets which disk is its own")
	}
	for _, name := range []string{"run/config/kubeadm", "run/config/userdata", "run/config/network/static/eth0"} {
		if _, found := got[name]; found {
			t.Errorf("%s is written", name)
		}
	}
}

func TestKeysOutliveAFileThatCannotBeRead(t *testing.T) {
	for name, user := range map[string]string{
		"bad YAML":   "#cloud-config\nhostname: n\npackages: [a\nssh_authorized_keys:\n- " + keyOne + "\nruncmd:\n - a\n  - b: c: d\n",
		"MIME":       "Content-Type: multipart/mixed; boundary=\"x\"\nMIME-Version: 1.0\n\n--x\nContent-Type: text/cloud-config\n\n#cloud-config\nhostname: n\nssh_authorized_keys:\n  - " + keyOne + "\n--x--\n",
		"a template": "## template: jinja\n#cloud-config\nhostname: n\nssh_authorized_keys: ['" + keyOne + "']\nruncmd: [{{ a }}]\n",
	} {
		all := parse(texts(map[string]string{"user-data": user}))
		if len(all.faults) != 1 || all.hostname != "n" || !slices.Equal(all.keys, []string{keyOne}) {
			t.Errorf("%s: got %q, %q, %v", name, all.hostname, all.keys, all.faults)
		}
	}
	script := parse(texts(map[string]string{"user-data": "#!/bin/sh\ncat <<E\nssh_authorized_keys:\n- " + keyOne + "\nE\n"}))
	if len(script.faults) != 1 || script.keys != nil {
		t.Errorf("a script: got %q, %v", script.keys, script.faults)
	}
}

func TestYAMLMeansWhatItMeansToCloudInit(t *testing.T) {
	zipped := "H4sIAAAAAAACA0vOzytJzSsBAKkwxf4HAAAA" // gzip of "content"
	all := must(t, map[string]string{"user-data": `#cloud-config
base: &base {permissions: '0600', content: secret, owner: 'root:root'}
list: &list {permissions: 0640, encoding: text/plain}
write_files:
- {path: /run/config/a, <<: *base}
- {path: /run/config/b, <<: [*list, *base]}
- {path: /run/config/c, <<: *base, permissions: 0o644}
- {path: /run/config/d, permissions: 420, content: !!binary c2VjcmV0}
- {path: /run/config/e}
- {path: /run/config/f, content: ` + zipped + `, encoding: gz+b64}
- {path: /run/config/g, content: !!binary ` + zipped + `, encoding: gzip}
- {path: /run/config/h, permissions: "420", content: x, source: {uri: "http://x"}}
`})
	for path, want := range map[string]entry{
		"a": {content: "secret", mode: 0o600}, "b": {content: "secret", mode: 0o640}, "c": {content: "secret", mode: 0o644},
		"d": {content: "secret", mode: 0o644}, "e": {mode: 0o644}, "f": {content: "content", mode: 0o644},
		"g": {content: "content", mode: 0o644}, "h": {content: "x", mode: 0o420},
	} {
		got := all.entries.made[path]
		if got.from = ""; got != want {
			t.Errorf("%s: got %+v, want %+v", path, got, want)
		}
	}
}

func TestMergeKeysThatGrowWithoutEndAreAMistake(t *testing.T) {
	text := "a0: &a0 {k: v}\n"
	for i := range 40 {
		text += fmt.Sprintf("a%d: &a%d {<<: [*a%d, *a%d]}\n", i+1, i+1, i, i)
	}
	all := parse(texts(map[string]string{"network-config": text + "<<: *a40\n"}))
	if err := all.failure(); err == nil || !strings.Contains(err.Error(), "brings more than") {
		t.Errorf("got %v", err)
	}
	circle := parse(texts(map[string]string{"network-config": "version: 2\nethernets: &e {<<: *e}\n"}))
	if err := circle.failure(); err == nil || !strings.Contains(err.Error(), "leads to itself") {
		t.Errorf("got %v", err)
	}
}

func TestACompressedUserDataIsRead(t *testing.T) {
	var zipped bytes.Buffer
	writer := gzip.NewWriter(&zipped)
	_, _ = writer.Write([]byte("#cloud-config\nhostname: n\n"))
	_ = writer.Close()
	if all := must(t, map[string]string{"user-data": zipped.String()}); all.hostname != "n" {
		t.Errorf("got %q", all.hostname)
	}
}

func TestAFolderWithoutTheFilesIsAnError(t *testing.T) {
	from := t.TempDir()
	if err := os.WriteFile(filepath.Join(from, "USER_DAT"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := readFolder(from, from)
	if err == nil || !strings.Contains(err.Error(), "it has [USER_DAT]") {
		t.Errorf("got %v", err)
	}
}

func TestMergeKeysMeanWhatTheyMeanToCloudInit(t *testing.T) {
	all := must(t, map[string]string{"user-data": `#cloud-config
x-base: &base {permissions: "0600", content: of the base}
write_files:
  - {<<: *base, path: /run/config/a}
  - {<<: [{content: first}, *base], path: /run/config/b}
  - {path: /run/config/c, permissions: "0640", <<: *base}
`})
	for path, want := range map[string]entry{
		"a": {content: "of the base", mode: 0o600}, "b": {content: "first", mode: 0o600}, "c": {content: "of the base", mode: 0o640},
	} {
		if got := all.entries.made[path]; got.content != want.content || got.mode != want.mode {
			t.Errorf("%s: %+v", path, got)
		}
	}
}

func TestTheFormOf2017IsReadToo(t *testing.T) {
	all := must(t, map[string]string{"user-data": `{"kubeadm": {"init": {"content": ""}, "k": {"content": "s", "perm": "0600"}}, "a": {"b": {"c": {"content": "1"}}}}`})
	for path, want := range map[string]entry{
		"kubeadm": {folder: true, mode: 0o755}, "kubeadm/init": {mode: 0o644}, "kubeadm/k": {content: "s", mode: 0o600},
		"a/b": {folder: true, mode: 0o755}, "a/b/c": {content: "1", mode: 0o644},
	} {
		got, found := all.entries.made[path]
		if want.from = got.from; !found || got != want {
			t.Errorf("%s: %+v", path, got)
		}
	}
}
