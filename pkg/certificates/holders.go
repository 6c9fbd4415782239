package main

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// holder is where a certificate lies.
type holder interface {
	name() string
	// authority names the files of who signed it, below the folder of certificates.
	authority() string
	// read gives what is there; fs.ErrNotExist where the node has no such certificate.
	read() (*identity, error)
	// write replaces it; where that fails, the old one is as it was. What a power cut leaves is told as a key that is not its own.
	write(issued) error
	// wayOut is what a person can do about one that can't be read.
	wayOut() string
}

// pair is a certificate with its key in a file beside it.
type pair struct{ folder, base, by string }

func (p pair) name() string      { return p.base }
func (p pair) authority() string { return p.by }
func (p pair) file(end string) string {
	return filepath.Join(p.folder, p.base+end)
}

func (p pair) read() (*identity, error) {
	certificate, err := os.ReadFile(p.file(".crt"))
	if err != nil {
		return nil, err
	}
	key, _ := os.ReadFile(p.file(".key"))
	return identityOf(certificate, key)
}

func (p pair) write(made issued) error {
	return replace(contents{p.file(".key"), made.key, 0o600}, contents{p.file(".crt"), made.certificate, 0o644})
}

func (p pair) wayOut() string {
	return fmt.Sprintf("remove %s and make it anew with `kubeadm init phase certs`", p.file(".crt"))
}

// kubeconfig is a certificate inside such a file.
type kubeconfig struct{ folder, file string }

func (k kubeconfig) name() string      { return k.file }
func (k kubeconfig) authority() string { return "ca" }

// Keys of a user in a kubeconfig.
const (
	certificateData = "client-certificate-data"
	keyData         = "client-key-data"
)

func (k kubeconfig) read() (*identity, error) {
	_, user, err := k.parse()
	if err != nil {
		return nil, err
	}
	if at(user, certificateData) == nil && len(user.Content) > 0 {
		return nil, fs.ErrNotExist // who uses it is known by a token, a program, or a file of somebody's own
	}
	certificate, err := base64.StdEncoding.DecodeString(value(user, certificateData))
	if err != nil {
		return nil, err
	}
	key, _ := base64.StdEncoding.DecodeString(value(user, keyData))
	return identityOf(certificate, key)
}

func (k kubeconfig) write(made issued) error {
	document, user, err := k.parse()
	if err != nil {
		return err
	}
	put(user, certificateData, base64.StdEncoding.EncodeToString(made.certificate))
	put(user, keyData, base64.StdEncoding.EncodeToString(made.key))
	text, err := yaml.Marshal(document)
	if err != nil {
		return err
	}
	return replace(contents{filepath.Join(k.folder, k.file), text, 0o600})
}

func (k kubeconfig) wayOut() string {
	return fmt.Sprintf("remove %s and make it anew with `kubeadm init phase kubeconfig`", filepath.Join(k.folder, k.file))
}

// parse gives the document and, in it, its first user: kubeadm's files have one.
func (k kubeconfig) parse() (document, user *yaml.Node, err error) {
	text, err := os.ReadFile(filepath.Join(k.folder, k.file))
	if err != nil {
		return nil, nil, err
	}
	document = new(yaml.Node)
	if err := yaml.Unmarshal(text, document); err != nil {
		return nil, nil, err
	}
	if len(document.Content) == 1 {
		if users := at(document.Content[0], "users"); users != nil && len(users.Content) > 0 {
			if user = at(users.Content[0], "user"); user != nil {
				return document, user, nil
			}
		}
	}
	return nil, nil, errors.New("there is no user in it")
}

// at gives the value of a key of a mapping; nil where there is none.
func at(mapping *yaml.Node, key string) *yaml.Node {
	if mapping.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i+1]
		}
	}
	return nil
}

func value(mapping *yaml.Node, key string) string {
	if found := at(mapping, key); found != nil {
		return found.Value
	}
	return ""
}

// put sets a key of a mapping to a text.
func put(mapping *yaml.Node, key, text string) {
	if found := at(mapping, key); found != nil {
		found.SetString(text)
		return
	}
	name, content := new(yaml.Node), new(yaml.Node)
	name.SetString(key)
	content.SetString(text)
	mapping.Content = append(mapping.Content, name, content)
}
