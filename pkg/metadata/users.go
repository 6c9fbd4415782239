package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// usersFolder has a folder for each user, with their number and their keys (pkg/sshd). See outlasting, too.
const usersFolder = "users"

// The numbers of users that are people (login.defs(5), UID_MIN and UID_MAX).
const (
	firstUser = 1000
	lastUser  = 60000
)

var userName = regexp.MustCompile(`^[a-z_][a-z0-9_-]{0,31}$`)

// person is a user that cloud-init would make: whoever may become root has root's number.
type person struct {
	name  string
	uid   int
	rises bool
	keys  []string
}

// takeUsers takes those that cloud-init would make users. They log in by SSH, by their keys alone.
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
	takeInto(w, user, "uid", &one.uid, value.integer)
	rights, given := user.take("sudo")
	one.rises = one.name == "root" || given && grants(rights)
	one.keys = append(w.keysAt(user, "ssh_authorized_keys"), w.keysAt(user, "ssh-authorized-keys")...)
	if one.rises {
		for _, key := range one.keys {
			w.addKey(key)
		}
	}
	if one.name != "root" {
		w.addPerson(at, one)
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

func (w *wanted) addPerson(at value, one person) {
	switch {
	case !userName.MatchString(one.name):
		w.fault(at.errorf("%q is no name of a user: lower-case letters, digits, _ and dashes", one.name))
	case slices.ContainsFunc(w.people, func(other person) bool { return other.name == one.name }):
		w.fault(at.errorf("the user %s is given twice", one.name))
	case len(one.keys) == 0:
		w.warn(at, "%s has no SSH key, and a node takes no passwords: there is no such user", one.name)
	case one.uid != 0 && !one.rises && (one.uid < firstUser || one.uid > lastUser):
		w.fault(at.errorf("%s: the number of a user is from %d to %d", one.name, firstUser, lastUser))
	default:
		w.people = append(w.people, one)
	}
}

// addUsers adds what the SSH server reads of each user.
func (w *wanted) addUsers(add func(path, content string, mode uint32, from string)) {
	free := firstUser
	for _, each := range w.people {
		number := each.uid
		if each.rises {
			number = 0
		} else if number == 0 {
			for w.isTaken(free) {
				free++
			}
			number = free
			free++
		}
		folder, from := usersFolder+"/"+each.name, "the user "+each.name+" in "+userDataFile
		add(folder+"/uid", fmt.Sprintf("%d\n", number), 0o644, from)
		add(folder+"/authorized_keys", strings.Join(each.keys, "\n")+"\n", 0o600, from)
	}
}

func (w *wanted) isTaken(number int) bool {
	return slices.ContainsFunc(w.people, func(each person) bool { return each.uid == number })
}
