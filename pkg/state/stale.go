package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
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
	return errors.Join(failures...)
}

// own makes the folder root's: a disk that was made without root rights may belong to somebody else.
func own(target string) error {
	if err := os.Chown(target, 0, 0); err != nil {
		return err
	}
	return os.Chmod(target, fs.FileMode(0o755))
}
