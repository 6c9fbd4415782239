package main

// takeUsers takes the SSH keys of those that cloud-init would make users. A node has none but root: whoever may become root on any
// other machine logs in as such here.
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
	var name string
	takeInto(w, user, "name", &name, value.text)
	_, rises := user.take("sudo")
	if name == "root" || rises {
		w.takeKeys(user, "ssh_authorized_keys")
		w.takeKeys(user, "ssh-authorized-keys")
	}
	switch {
	case name == "root":
	case rises:
		w.warn(at, "a node has no user %s; the keys log in as root", name)
	default:
		w.warn(at, "a node has no user but root, and %s may not become root", name)
	}
}
