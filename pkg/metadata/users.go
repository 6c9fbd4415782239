package main

import (
	"regexp"
	"slices"
	"strings"
)

// usersFolder has a file for each user, with their keys (pkg/sshd).
const usersFolder = "users"

// userName is what useradd(8) takes, and sshd.sh.
var userName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)

// person is a user who logs in by SSH under a name of their own, with root's rights.
type person struct {
	name string
	keys []string
}

// takeUsers takes the SSH keys of those that cloud-init would make users, if they may become root: a node has no others, since whoever is
// on it sees what its pods see.
func (w *wanted) takeUsers(keys *fields) {
	given, found := keys.take("users")
	if !found {
		return
	}
	for _, each := range eachOf(w, given, func(each value) (value, error) { return each, nil }) {
		if !each.isMap() {
			continue // "default", which has the keys of the whole file
		}
		user, err := each.fields()
		if err != nil {
			w.fault(err)
			continue
		}
		w.takeUser(each, user)
	}
}

func (w *wanted) takeUser(at value, user *fields) {
	var one person
	takeInto(w, user, "name", &one.name, value.text)
	rights, given := user.take("sudo")
	if one.name != "root" && (!given || !grants(rights)) {
		w.warn(at, "a node has no users without root's rights, and %s may not become root", one.name)
		return
	}
	one.keys = append(w.keysAt(user, "ssh_authorized_keys"), w.keysAt(user, "ssh-authorized-keys")...)
	for _, key := range one.keys {
		w.addKey(key)
	}
	switch {
	case one.name == "root":
	case len(one.keys) == 0:
		w.warn(at, "%s has no SSH key, and a node takes no passwords: there is no such user", one.name)
	case !userName.MatchString(one.name):
		w.warn(at, "%q is no name of a user here: the keys log in as root", one.name)
	default:
		w.addPerson(one)
	}
}

// grants says whether a value of "sudo" gives any rights: rules, but neither false nor an empty list.
func grants(rights value) bool {
	if rights.isNull() {
		return false
	}
	if rights.isList() {
		rules, _ := rights.list()
		return len(rules) > 0
	}
	may, err := rights.boolean()
	return err != nil || may
}

// addPerson adds a user, or further keys to one that is there.
func (w *wanted) addPerson(one person) {
	for at := range w.people {
		if there := &w.people[at]; there.name == one.name {
			there.keys = append(there.keys, one.keys...)
			return
		}
	}
	w.people = append(w.people, person{one.name, slices.Clone(one.keys)})
}

// addUsers adds what the SSH server reads of each user.
func (w *wanted) addUsers(add func(path, content string, mode uint32, from string)) {
	for _, each := range w.people {
		add(usersFolder+"/"+each.name, strings.Join(each.keys, "\n")+"\n", 0o600, "the user "+each.name+" in "+userDataFile)
	}
}
