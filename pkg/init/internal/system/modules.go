package system

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"kubeiso.dev/pkg/initrd/kmod"
)

// ModulesResult is what LoadModules did: how many modules are new, and which configured ones are neither there nor built in.
type ModulesResult struct {
	Loaded  int
	Missing []string
}

// LoadModules loads the modules named in dir/*.conf, then those of all devices.
func LoadModules(loader *kmod.Loader, dir string) ModulesResult {
	var missing []string
	for _, name := range configuredModules(dir) {
		if err := loader.Load(name); errors.Is(err, kmod.ErrNotFound) && !isBuiltin(name) {
			missing = append(missing, name)
		}
	}
	loader.Coldplug("/sys")
	return ModulesResult{loader.Loaded(), missing}
}

// isBuiltin says whether the kernel shows a module that no file holds.
func isBuiltin(name string) bool {
	_, err := os.Stat("/sys/module/" + strings.ReplaceAll(name, "-", "_"))
	return err == nil
}

// configuredModules gives the names in a modules-load.d(5) folder, each once, in the order of the files' names.
func configuredModules(dir string) []string {
	var names []string
	files, _ := filepath.Glob(filepath.Join(dir, "*.conf"))
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) {
			name := strings.TrimSpace(line)
			if name != "" && name[0] != '#' && name[0] != ';' && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	return names
}
