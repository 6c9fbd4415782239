package main

import (
	"slices"
	"strings"
	"testing"
)

func parsedUsers(users string) *wanted {
	text := strings.NewReplacer("KEY1", keyOne, "KEY2", keyTwo).Replace("#cloud-config\nusers:\n" + users)
	return image("/").parse(map[string][]byte{"user-data": []byte(text)})
}

func TestUsersHaveNumbersAndKeys(t *testing.T) {
	all := parsedUsers(`
- default
- {name: ops, sudo: ["ALL=(ALL) NOPASSWD:ALL"], ssh_authorized_keys: [KEY1, KEY2]}
- {name: guest, ssh-authorized-keys: KEY2}
- {name: second, uid: "1000", sudo: false, ssh_authorized_keys: [KEY1]}
- {name: third, sudo: null, ssh_authorized_keys: {a: KEY1}}
- {name: root, ssh_authorized_keys: [KEY1]}
`)
	if err := all.failure(); err != nil || len(all.warnings) != 0 {
		t.Fatalf("%v, %q", err, all.warnings)
	}
	want := map[string]string{
		"users/ops/uid": "0\n", "users/ops/authorized_keys": keyOne + "\n" + keyTwo + "\n",
		"users/guest/uid": "1001\n", "users/guest/authorized_keys": keyTwo + "\n",
		"users/second/uid": "1000\n", "users/third/uid": "1002\n", "users/third/authorized_keys": keyOne + "\n",
	}
	for path, text := range want {
		if got := all.entries.made[path]; got.content != text {
			t.Errorf("%s: got %q, want %q", path, got.content, text)
		}
	}
	if _, made := all.entries.made["users/root/uid"]; made {
		t.Error("root is made once more")
	}
	if mode := all.entries.made["users/guest/authorized_keys"].mode; mode != 0o600 {
		t.Errorf("others may read keys: %o", mode)
	}
	if !slices.Equal(all.keys, []string{keyOne, keyTwo}) {
		t.Errorf("who may become root logs in as root, too: %q", all.keys)
	}
}

func TestUsersThatCannotBe(t *testing.T) {
	for users, want := range map[string]string{
		"- {name: Ops, ssh_authorized_keys: [KEY1]}":                                         `line 3, users[0]: "Ops" is no name of a user`,
		"- {name: ../../etc, ssh_authorized_keys: [KEY1]}":                                   "is no name of a user",
		"- {ssh_authorized_keys: [KEY1]}":                                                    `"" is no name of a user`,
		"- {name: a, ssh_authorized_keys: [KEY1]}\n- {name: a, ssh_authorized_keys: [KEY2]}": "line 4, users[1]: the user a is given twice",
		"- {name: a, uid: 12, ssh_authorized_keys: [KEY1]}":                                  "from 1000 to 60000",
		"- {name: a, ssh_authorized_keys: [none]}":                                           "this is no SSH public key",
	} {
		all := parsedUsers(users)
		if err := all.failure(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", users, err, want)
		}
	}
	all := parsedUsers("- {name: a, sudo: 'ALL=(ALL) ALL', passwd: x}")
	if len(all.people) != 0 || len(all.warnings) != 1 || !strings.Contains(all.warnings[0], "a node takes no passwords: there is no such user") {
		t.Errorf("%v, %q", all.people, all.warnings)
	}
}

func TestADegradedNodeHasItsUsers(t *testing.T) {
	all := parsedUsers("- {name: ops, sudo: ALL, ssh_authorized_keys: [KEY1]}\nhostname: [no]\n")
	if all.failure() == nil || !slices.Contains(outlasting, usersFolder) {
		t.Error("the users of a node that can't be what it was to be are gone")
	}
}
