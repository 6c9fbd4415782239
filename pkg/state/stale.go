package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// ofOneBoot are the parts of /var that mean something only as long as the node runs: no pod, no address of one and no lock
// outlives that. CNI plugins have no other way to learn of it: after a power cut their addresses would stay taken for ever,
// and a file that was cut short would keep a pod from being torn down.
var ofOneBoot = []string{"lib/cni", "lock"}

// forget removes what an earlier boot left in the node's /var that this one must not find.
func forget(target string) error {
	var failures []error
	for _, name := range ofOneBoot {
		failures = append(failures, os.RemoveAll(filepath.Join(target, name)))
	}
	return errors.Join(append(failures, forgetTorn(target))...)
}

// identity is where containerd writes who it is, once and without care that it comes to the disk: after a power cut the file may be
// as long as it was and have zero bytes alone (ext4 gives a file its length before its content), and containerd would answer nobody
// about its state any more (plugins/services/introspection/local.go).
var identity = filepath.Join("lib", "containerd", "*introspection*", "uuid")

var uuid = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n?$`)

// forgetTorn removes what a power cut left of that file; containerd makes another.
func forgetTorn(target string) error {
	files, err := filepath.Glob(filepath.Join(target, identity))
	for _, file := range files {
		text, failed := os.ReadFile(file)
		if failed == nil && !uuid.Match(text) {
			failed = os.Remove(file)
		}
		err = errors.Join(err, failed)
	}
	return err
}

// own makes the folder root's: a disk that was made without root rights may belong to somebody else.
func own(target string) error {
	if err := os.Chown(target, 0, 0); err != nil {
		return err
	}
	return os.Chmod(target, fs.FileMode(0o755))
}
