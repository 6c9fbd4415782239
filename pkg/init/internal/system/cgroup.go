package system

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const cgroupDir = "/sys/fs/cgroup"

// enableControllers lets every group below dir, a cgroup2 mount, use all of the kernel's controllers.
func enableControllers(dir string) error {
	text, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return err
	}
	for _, name := range strings.Fields(string(text)) {
		if err := os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+name), 0o644); err != nil {
			return fmt.Errorf("enabling cgroup controller %s: %w", name, err)
		}
	}
	return nil
}
