package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

func parsedUsers(users string) *wanted {
	text := strings.NewReplacer("KEY1", keyOne, "KEY2", keyTwo).Replace("#cloud-config\nusers:\n" + users)
	return image("/").parse(map[string][]byte{"user-data": []byte(text)})
}

// usersOf are the files that the SSH server reads, by the users' names.
func usersOf(all *wanted) map[string]string {
	found := map[string]string{}
	for path, made := range all.entries.made {
		if name, is := strings.CutPrefix(path, usersFolder+"/"); is && made.mode == 0o600 {
			found[name] = made.content
		}
	}
	return found
}

func TestWhoMayBecomeRootIsAUser(t *testing.T) {
	all := parsedUsers(`
- default
- {name: ops, sudo: ["ALL=(ALL) NOPASSWD:ALL"], ssh_authorized_keys: [KEY1, KEY2]}
- {name: second, sudo: ALL, ssh-authorized-keys: {a: KEY2}}
- {name: second, sudo: true, ssh_authorized_keys: KEY1}
- {name: root, ssh_authorized_keys: [KEY1]}
`)
	if err := all.failure(); err != nil || len(all.warnings) != 0 {
		t.Fatalf("%v, %q", err, all.warnings)
	}
	want := map[string]string{"ops": keyOne + "\n" + keyTwo + "\n", "second": keyTwo + "\n" + keyOne + "\n"}
	if got := usersOf(all); !maps.Equal(got, want) {
		t.Errorf("got %q", got)
	}
	if !slices.Equal(all.keys, []string{keyOne, keyTwo}) {
		t.Errorf("they log in as root, too: %q", all.keys)
	}
}

func TestUsersThatANodeHasNot(t *testing.T) {
	for user, want := range map[string]string{
		"- {name: a, ssh_authorized_keys: [KEY1]}":                          "a may not become root",
		"- {name: a, sudo: false, ssh_authorized_keys: [KEY1]}":             "a may not become root",
		"- {name: a, sudo: null, ssh_authorized_keys: [KEY1]}":              "a may not become root",
		"- {name: a, sudo: [], ssh_authorized_keys: [KEY1]}":                "a may not become root",
		"- {name: a, sudo: 'ALL=(ALL) ALL', passwd: x}":                     "a node takes no passwords: there is no such user",
		"- {name: ../../etc, sudo: ALL, ssh_authorized_keys: [KEY1]}":       `"../../etc" is no name of a user here: the keys log in as root`,
		"- {name: John.Doe, sudo: ALL, ssh_authorized_keys: [KEY1]}":        "no name of a user here",
		"- {sudo: ALL, ssh_authorized_keys: [KEY1]}":                        `"" is no name of a user here`,
		"- {name: a, sudo: ALL, ssh_authorized_keys: [KEY1], x: [1]}\n- {}": "may not become root",
	} {
		all := parsedUsers(user)
		warned := strings.Join(all.warnings, "\n")
		if err := all.failure(); err != nil || len(all.warnings) != 1 || !strings.Contains(warned, want) {
			t.Errorf("%s: got %v, %q, want %q", user, err, warned, want)
		}
		if rises := strings.Contains(user, "sudo: ALL,"); rises != slices.Equal(all.keys, []string{keyOne}) {
			t.Errorf("%s: keys for root: %q", user, all.keys)
		}
	}
}

func TestADegradedNodeHasItsUsers(t *testing.T) {
	user := "- {name: ops, sudo: ALL, ssh_authorized_keys: [KEY1]}\n"
	for _, text := range []string{user + "hostname: [no]\n", user + "write_files: {{\n"} {
		all := parsedUsers(text)
		if all.failure() == nil {
			t.Fatal("that is no mistake")
		}
		all.degrade()
		if got := usersOf(all); !maps.Equal(got, map[string]string{"ops": keyOne + "\n"}) {
			t.Errorf("%q: got %q", text, got)
		}
		if _, made := all.entries.made[keysFile]; !made {
			t.Errorf("%q: root's keys are gone", text)
		}
	}
}
