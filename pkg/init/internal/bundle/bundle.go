// Package bundle prepares LinuxKit's container bundles: a folder with config.json (the OCI runtime specification's file),
// the root file system, and runtime.json, which says what the node must set up before the container starts.
package bundle

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// Annotations of config.json that the node knows.
const (
	// OptionalAnnotation lets the boot go on, if "true", when an onboot step fails.
	OptionalAnnotation = "org.kubeiso.optional"
	// RestartAnnotation keeps a service, if "never", from being started again when it ends.
	RestartAnnotation = "org.kubeiso.restart"
	// LimitAnnotation says after how many seconds a step that has not ended is killed; 0: never.
	LimitAnnotation = "org.kubeiso.limit"
	// DegradeAnnotation lets the boot go on in degraded mode, if "true", when an onboot step fails.
	DegradeAnnotation = "org.kubeiso.degrade"
	// BesideAnnotation says of an onboot step, if "true", that containerd may come up meanwhile: the step neither needs it nor writes
	// what it reads at its start.
	BesideAnnotation = "org.kubeiso.beside-containerd"
	// IfExistsAnnotation names files of the node, with blanks between, without any of which a service is not started at boot.
	IfExistsAnnotation = "org.kubeiso.if-exists"
	// UnlessExistsAnnotation names a file of the node with which a service is not started at boot.
	UnlessExistsAnnotation = "org.kubeiso.unless-exists"
)

// Runtime is runtime.json. Its keys are LinuxKit's (docs/yaml.md, "runtime").
type Runtime struct {
	Cgroups    []string      `json:"cgroups"`
	Mounts     []specs.Mount `json:"mounts"`
	Mkdir      []string      `json:"mkdir"`
	Interfaces []Interface   `json:"interfaces"`
	BindNS     Namespaces    `json:"bindNS"`
	Namespace  string        `json:"namespace"`
}

// Interface is a network interface to make for, or move to, the container.
type Interface struct {
	Name         string `json:"name"`
	Add          string `json:"add"`
	Peer         string `json:"peer"`
	CreateInRoot bool   `json:"createInRoot"`
}

// Namespaces maps a namespace's name under /proc/PID/ns to the path that shall keep it.
type Namespaces map[string]string

// namespaceNames are the namespaces that runtime.json may name.
var namespaceNames = []string{"cgroup", "ipc", "mnt", "net", "pid", "user", "uts"}

// Bundle is one bundle's folder with what its files say.
type Bundle struct {
	Dir     string
	Name    string
	Spec    specs.Spec
	Runtime Runtime
}

// Load reads a bundle. A missing runtime.json is no error, a missing config.json is.
func Load(dir string) (*Bundle, error) {
	loaded := &Bundle{Dir: dir, Name: filepath.Base(dir)}
	if err := readJSON(filepath.Join(dir, "config.json"), &loaded.Spec); err != nil {
		return nil, err
	}
	if loaded.Spec.Process == nil || loaded.Spec.Root == nil {
		return nil, fmt.Errorf("%s/config.json names no process or no root", dir)
	}
	err := readJSON(filepath.Join(dir, "runtime.json"), &loaded.Runtime)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return loaded, loaded.Runtime.check()
}

// List gives the bundles' folders in dir, sorted by name; none if dir is missing.
func List(dir string) ([]string, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	var dirs []string
	for _, entry := range entries {
		if entry.IsDir() {
			dirs = append(dirs, filepath.Join(dir, entry.Name()))
		}
	}
	return dirs, err
}

// Apart divides the steps in these folders: those that have to be over before containerd comes up, and the last ones that need not.
func Apart(dirs []string) (before, beside []string) {
	at := len(dirs)
	for at > 0 {
		step, err := Load(dirs[at-1])
		if err != nil || !step.Beside() {
			break
		}
		at--
	}
	return dirs[:at], dirs[at:]
}

// Optional says whether the boot goes on without it.
func (b *Bundle) Optional() bool { return b.Spec.Annotations[OptionalAnnotation] == "true" }

// defaultLimit is a step's time: on an emulated machine they take a minute.
const defaultLimit = 10 * time.Minute

// Limit is the time that a step has; 0 is for ever.
func (b *Bundle) Limit() time.Duration {
	seconds, err := strconv.ParseUint(b.Spec.Annotations[LimitAnnotation], 10, 32)
	if err != nil {
		return defaultLimit
	}
	return time.Duration(seconds) * time.Second
}

// NeverRestart says whether it shall run only once.
func (b *Bundle) NeverRestart() bool { return b.Spec.Annotations[RestartAnnotation] == "never" }

// Beside says whether containerd may come up while the step runs.
func (b *Bundle) Beside() bool { return b.Spec.Annotations[BesideAnnotation] == "true" }

// Degrades says whether the boot goes on without it, in degraded mode.
func (b *Bundle) Degrades() bool { return b.Spec.Annotations[DegradeAnnotation] == "true" }

// Wanted says whether the node has what the service is for, and nothing that speaks against it.
func (b *Bundle) Wanted() bool {
	if path := b.Spec.Annotations[UnlessExistsAnnotation]; path != "" && exists(path) {
		return false
	}
	paths := strings.Fields(b.Spec.Annotations[IfExistsAnnotation])
	return len(paths) == 0 || slices.ContainsFunc(paths, exists)
}

// Rootfs is the absolute path of the root file system.
func (b *Bundle) Rootfs() string { return filepath.Join(b.Dir, "rootfs") }

// absolute gives a path of runtime.json; a relative one lies in the root file system.
func (b *Bundle) absolute(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(b.Rootfs(), path)
}

func (r Runtime) check() error {
	for name, path := range r.BindNS {
		if path != "" && !slices.Contains(namespaceNames, name) {
			return fmt.Errorf("runtime.json: bindNS knows no namespace %q", name)
		}
	}
	for _, link := range r.Interfaces {
		if link.Name == "" {
			return errors.New("runtime.json: an interface has no name")
		}
		if link.Add == "veth" && link.Peer == "" {
			return fmt.Errorf("runtime.json: the veth pair %s needs a peer", link.Name)
		}
	}
	return nil
}

func readJSON(path string, into any) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	return nil
}
