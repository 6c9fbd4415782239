package main

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// contents is a file as it shall be; mode is for one that was not there.
type contents struct {
	path string
	text []byte
	mode fs.FileMode
}

const aside = ".renewed"

// replace writes all files beside their places and on the disk before it puts the first in its place: a full disk changes nothing.
func replace(files ...contents) error {
	for _, each := range files {
		if err := each.stage(each.path + aside); err != nil {
			for _, other := range files {
				_ = os.Remove(other.path + aside)
			}
			return err
		}
	}
	var err error
	for _, each := range files {
		err = errors.Join(err, os.Rename(each.path+aside, each.path), syncFolder(filepath.Dir(each.path)))
	}
	return err
}

// stage writes the text to a file with the mode and the owner of the one that it is to replace.
func (c contents) stage(path string) (err error) {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	mode, uid, gid := c.mode, os.Getuid(), os.Getgid()
	if info, err := os.Stat(c.path); err == nil {
		mode = info.Mode().Perm()
		if owner, ok := info.Sys().(*syscall.Stat_t); ok {
			uid, gid = int(owner.Uid), int(owner.Gid)
		}
	}
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(c.text); err != nil {
		return err
	}
	return errors.Join(file.Chown(uid, gid), file.Chmod(mode), file.Sync())
}

// syncFolder puts a folder's own content on the disk.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
