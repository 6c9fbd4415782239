package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sys/cpu"

	"kubeiso.dev/pkg/initrd/kmod"
	"kubeiso.dev/pkg/initrd/verity"
)

// config is what the medium's maker tells this program.
type config struct {
	// Label of the boot medium's ISO 9660 volume.
	Label string `json:"label"`
	// Layers are the squashfs files of the root, paths on the medium, lowest first.
	Layers []string `json:"layers"`
	// Digests are the layers' SHA-256 digests, in hexadecimal digits.
	Digests []string `json:"digests"`
	// Roots are those of the layers' hashes.
	Roots []verity.Root `json:"roots"`
	// Load are modules that no device asks for, in order.
	Load []string `json:"load"`
}

// readConfig reads and checks the configuration.
func readConfig(file string) (config, error) {
	var read config
	text, err := os.ReadFile(file)
	if err != nil {
		return read, fmt.Errorf("reading the configuration: %w", err)
	}
	if err := json.Unmarshal(text, &read); err != nil {
		return read, fmt.Errorf("%s: %w", file, err)
	}
	if err := read.check(); err != nil {
		return read, fmt.Errorf("%s: %w", file, err)
	}
	return read, nil
}

func (c config) check() error {
	if c.Label == "" || len(c.Label) > 32 {
		return errors.New("label must have 1 to 32 characters")
	}
	if len(c.Layers) == 0 {
		return errors.New("layers must name at least one file")
	}
	if len(c.Digests) != len(c.Layers) {
		return fmt.Errorf("there are %d digests of %d layers", len(c.Digests), len(c.Layers))
	}
	if len(c.Roots) != len(c.Layers) {
		return fmt.Errorf("there are %d roots of %d layers", len(c.Roots), len(c.Layers))
	}
	for _, root := range c.Roots {
		if err := root.Check(); err != nil {
			return err
		}
	}
	for _, layer := range c.Layers {
		if path.Clean("/"+layer) != "/"+layer {
			return fmt.Errorf("layer %q is no plain relative path", layer)
		}
	}
	return nil
}

// loadModules loads the configured modules. One that is built into the kernel is in no index, so nothing is an error
// here; what really lacks shows when the medium is not found or a mount fails.
func (c config) loadModules(loader *kmod.Loader) {
	if cpu.X86.HasAVX2 {
		_ = loader.Load("sha256_ssse3") // each block of the root is hashed; the kernel's own way for any processor is there too
	}
	for _, name := range c.Load {
		_ = loader.Load(name)
	}
}

// layers gives the layers below a folder, each with the root of its hashes where its blocks are to be compared.
func (c config) layers(from string, compared bool) []layer {
	all := make([]layer, len(c.Layers))
	for number, name := range c.Layers {
		all[number].file = filepath.Join(from, name)
		if compared {
			all[number].root = &c.Roots[number]
		}
	}
	return all
}
