package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"strconv"
	"strings"
)

// entry is a file or a folder below /run/config, and where it was asked for.
type entry struct {
	folder  bool
	content string
	mode    uint32
	from    string
}

// What LinuxKit's metadata package takes where "perm" is missing.
const (
	defaultFileMode   = 0o644
	defaultFolderMode = 0o755
)

// treeReader reads LinuxKit's JSON tree (docs/metadata.md): a map of names to entries. An entry has "content" (a file) or
// "entries" (a folder), and perhaps "perm"; in the form of 2017 a folder's files stand in it by themselves. It goes token by token, so that a mistake is told with its line, and a name that
// is there twice is one.
type treeReader struct {
	file    string
	text    []byte
	decoder *json.Decoder
	entries entries
}

// parseTree adds what a JSON tree asks for to entries.
func parseTree(file string, text []byte, into entries) error {
	reader := &treeReader{file, text, json.NewDecoder(bytes.NewReader(text)), into}
	if err := reader.folder("", "a map of names to files and folders"); err != nil {
		return err
	}
	if _, err := reader.decoder.Token(); !errors.Is(err, io.EOF) {
		return reader.errorf("", "there is more in the file after its JSON value")
	}
	return nil
}

// errorf tells of a mistake at what was read last.
func (r *treeReader) errorf(path, format string, arguments ...any) error {
	return r.at(r.decoder.InputOffset(), path, fmt.Sprintf(format, arguments...))
}

func (r *treeReader) at(offset int64, path, text string) error {
	line := 1 + bytes.Count(r.text[:min(int(offset), len(r.text))], []byte("\n"))
	return &mistake{r.file, strings.ReplaceAll(path, "/", "."), line, text}
}

// token gives the next token; a text that is no JSON is a mistake.
func (r *treeReader) token(path string) (json.Token, error) {
	token, err := r.decoder.Token()
	var syntax *json.SyntaxError
	switch {
	case err == nil:
		return token, nil
	case errors.As(err, &syntax) && !strings.HasPrefix(syntax.Error(), "unexpected end"):
		return nil, r.at(syntax.Offset, path, "this is no JSON: "+syntax.Error())
	case syntax != nil || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF): // as the version of Go has it
		return nil, r.at(int64(len(r.text)), path, "the JSON ends too early")
	}
	return nil, r.errorf(path, "%v", err)
}

// object calls read for every key of the object that comes next.
func (r *treeReader) object(path, expected string, read func(key string) error) error {
	token, err := r.token(path)
	if err != nil {
		return err
	}
	if token != json.Delim('{') {
		return r.errorf(path, "%s is expected here", expected)
	}
	seen := map[string]bool{}
	for r.decoder.More() {
		token, err := r.token(path)
		if err != nil {
			return err
		}
		key, _ := token.(string) // a key of an object is always a text
		if seen[key] {
			return r.errorf(joined(path, key), "the key is there twice")
		}
		seen[key] = true
		if err := read(key); err != nil {
			return err
		}
	}
	_, err = r.token(path)
	return err
}

// folder reads a map of names to entries.
func (r *treeReader) folder(path, expected string) error {
	return r.object(path, expected, func(name string) error { return r.below(path, name) })
}

// below reads the entry of that name in a folder.
func (r *treeReader) below(path, name string) error {
	if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") {
		return r.errorf(path, "%q is no name of a file", name)
	}
	return r.entry(strings.TrimPrefix(path+"/"+name, "/"))
}

// opens says whether the value of the key that was read last is an object.
func (r *treeReader) opens() bool {
	rest := bytes.TrimLeft(r.text[r.decoder.InputOffset():], " \t\r\n:")
	return len(rest) > 0 && rest[0] == '{'
}

// entry reads one file or folder.
func (r *treeReader) entry(path string) error {
	line, content, perm, folder := r.decoder.InputOffset(), (*string)(nil), "", false
	if len(path) > maxPath { // before what lies below: each name is there as often as the tree is deep
		return r.errorf(path[:20]+"...", "a path below /run/config is longer than %d bytes", maxPath)
	}
	err := r.object(path, `an object with "content" or "entries"`, func(key string) (err error) {
		switch key {
		case "content":
			content, err = r.string(joined(path, key))
		case "perm":
			var given *string
			if given, err = r.string(joined(path, key)); given != nil {
				perm = *given
			}
		case "entries":
			folder = true
			err = r.folder(path, "a map of names to files and folders")
		default:
			if r.opens() { // LinuxKit's form of 2017: a folder's files without "entries" around them
				folder = true
				return r.below(path, key)
			}
			err = r.errorf(path, `%q is no key of an entry; those are "content", "entries" and "perm"`, key)
		}
		return err
	})
	if err != nil {
		return err
	}
	if folder == (content != nil) {
		return r.at(line, path, `an entry has either "content" (a file) or "entries" (a folder)`)
	}
	made := entry{folder: folder, mode: defaultFolderMode, from: r.file}
	if !folder {
		made.content, made.mode = *content, defaultFileMode
	}
	if perm != "" {
		if made.mode, err = parseMode(perm); err != nil {
			return r.at(line, path, err.Error())
		}
	}
	if err := r.entries.add(path, made); err != nil {
		return r.at(line, path, err.Error())
	}
	return nil
}

// string reads a text.
func (r *treeReader) string(path string) (*string, error) {
	token, err := r.token(path)
	if err != nil {
		return nil, err
	}
	text, ok := token.(string)
	if !ok {
		return nil, r.errorf(path, "a text is expected here")
	}
	return &text, nil
}

// parseMode reads a file's mode, such as "0644".
func parseMode(text string) (uint32, error) {
	mode, err := strconv.ParseUint(text, 8, 32)
	if err != nil || mode > 0o777 {
		return 0, fmt.Errorf("%q is no mode of a file, such as 0644", text)
	}
	return uint32(mode), nil
}

// maxPath bounds a path below /run/config, in bytes: the kernel takes 4096 with what stands before it (PATH_MAX).
const maxPath = 4000

// entries are all files and folders to make, by their paths below /run/config.
type entries struct {
	made map[string]entry
	// holding are the folders that something lies in, asked for or not, with the file that asked for the first of it.
	holding map[string]string
}

func newEntries() entries { return entries{map[string]entry{}, map[string]string{}} }

// add takes one more. No path is asked for twice, and none is both a file and a folder; folders may come together.
func (e entries) add(path string, made entry) error {
	if len(path) > maxPath {
		return fmt.Errorf("the path is longer than %d bytes", maxPath)
	}
	if before, found := e.made[path]; found && !(before.folder && made.folder) {
		return fmt.Errorf("/run/config/%s is given twice: here and in %s", path, before.from)
	}
	if from, found := e.holding[path]; found && !made.folder {
		return fmt.Errorf("/run/config/%s is a folder in %s and a file here", path, from)
	}
	for folder := range above(path) {
		if before, found := e.made[folder]; found && !before.folder {
			return fmt.Errorf("/run/config/%s is a file in %s and a folder here", folder, before.from)
		}
	}
	e.made[path] = made
	for folder := range above(path) {
		if _, known := e.holding[folder]; known {
			break // and with it all above it
		}
		e.holding[folder] = made.from
	}
	return nil
}

// above gives the folders that a path lies in, the nearest first.
func above(path string) iter.Seq[string] {
	return func(yield func(string) bool) {
		for end := strings.LastIndexByte(path, '/'); end > 0; end = strings.LastIndexByte(path[:end], '/') {
			if !yield(path[:end]) {
				return
			}
		}
	}
}
