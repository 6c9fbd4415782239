package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// image is the node's root, for what its image says of kubeadm.
type image string

// Where the image's configuration lies (builder/spec/decide.py): a worker has none for init, and its one for join has the short name.
const (
	kubeadmFile     = "etc/kubeadm/kubeadm.yaml"
	kubeadmJoinFile = "etc/kubeadm/kubeadm-join.yaml"
)

// firstKind is what has to be in a configuration, by what kubeadm is asked to do.
var firstKind = map[string]string{"init": "InitConfiguration", "join": "JoinConfiguration"}

type document = map[string]any

// merged is a configuration of kubeadm with all of the image's own that it says nothing of: the runtime's socket, the images that the
// node carries, the kubelet's settings.
func (i image) merged(verb string, given entry) (string, error) {
	wrong := func(format string, arguments ...any) error {
		return &mistake{file: given.from, text: "the configuration for kubeadm " + verb + ": " + fmt.Sprintf(format, arguments...)}
	}
	theirs, err := documents([]byte(given.content))
	if err != nil {
		return "", wrong("%v", err)
	}
	ours, err := i.documents(verb)
	if err != nil {
		return "", err
	}
	if ours[firstKind[verb]] == nil {
		return "", wrong("this node's image is a worker's, and only a master makes a cluster")
	}
	if theirs[firstKind[verb]] == nil {
		return "", wrong("it has no %s", firstKind[verb])
	}
	var text bytes.Buffer
	encoder := yaml.NewEncoder(&text)
	for kind, given := range theirs {
		if own := ours[kind]; own != nil {
			for _, key := range []string{"apiVersion", "kubernetesVersion"} {
				if given[key] != nil && own[key] != nil && given[key] != own[key] {
					return "", wrong("%s: %s is %v, and this node's is %v", kind, key, given[key], own[key])
				}
			}
			theirs[kind] = overlaid(own, given).(document)
			if etcd, has := theirs[kind]["etcd"].(document); has && etcd["external"] != nil {
				delete(etcd, "local") // what is said of ours is for a cluster without one
			}
		}
	}
	for kind, own := range ours {
		if theirs[kind] == nil {
			theirs[kind] = own
		}
	}
	for _, kind := range slices.Sorted(maps.Keys(theirs)) {
		if err := encoder.Encode(theirs[kind]); err != nil {
			return "", err
		}
	}
	return text.String(), encoder.Close()
}

// documents are those of the image by their kinds.
func (i image) documents(verb string) (map[string]document, error) {
	names := []string{kubeadmFile}
	if verb == "join" {
		names = []string{kubeadmJoinFile, kubeadmFile}
	}
	for _, name := range names {
		text, err := os.ReadFile(filepath.Join(string(i), name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		return documents(text)
	}
	return map[string]document{}, nil
}

// documents are those of a file by their kinds, of which each has one.
func documents(text []byte) (map[string]document, error) {
	found := map[string]document{}
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	for {
		var each document
		err := decoder.Decode(&each)
		if errors.Is(err, io.EOF) {
			return found, nil
		}
		if err != nil {
			return nil, fmt.Errorf("%s", strings.TrimPrefix(err.Error(), "yaml: "))
		}
		kind, _ := each["kind"].(string)
		switch {
		case each == nil:
		case kind == "":
			return nil, errors.New("a document has no kind")
		case found[kind] != nil:
			return nil, fmt.Errorf("%s is there twice", kind)
		default:
			found[kind] = each
		}
	}
}

// overlaid is what is below with what is above on it: mappings key by key, lists of arguments by their names, all else as a whole.
func overlaid(below, above any) any {
	switch over := above.(type) {
	case document:
		under, is := below.(document)
		if !is {
			return above
		}
		made := document{}
		for key, value := range under {
			made[key] = value
		}
		for key, value := range over {
			made[key] = overlaid(under[key], value)
		}
		return made
	case []any:
		under, is := below.([]any)
		if !is || !haveNames(under) || !haveNames(over) {
			return above
		}
		made := []any{}
		for _, each := range under {
			if !hasName(over, nameOf(each)) {
				made = append(made, each)
			}
		}
		return append(made, over...)
	}
	return above
}

// nameOf is the name of an entry of a list such as extraArgs; nil for what has none.
func nameOf(each any) any {
	entry, _ := each.(document)
	return entry["name"]
}

func haveNames(list []any) bool {
	for _, each := range list {
		if nameOf(each) == nil {
			return false
		}
	}
	return true
}

func hasName(list []any, name any) bool {
	for _, each := range list {
		if nameOf(each) == name {
			return true
		}
	}
	return false
}
