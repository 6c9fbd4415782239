package bundle

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/opencontainers/runtime-spec/specs-go"
)

// MountVolumes sets up every volume in dir: its content ("lower") appears at "merged", writable over memory if the volume has
// a "tmp" folder, else read-only. It gives their number; a missing dir has none.
func MountVolumes(dir string) (int, error) {
	volumes, err := List(dir)
	if err != nil {
		return 0, err
	}
	for _, volume := range volumes {
		for _, mount := range volumeMounts(volume, exists(filepath.Join(volume, "tmp"))) {
			if _, err := makeMount(mount, mount.Destination); err != nil {
				return 0, fmt.Errorf("volume %s: %w", filepath.Base(volume), err)
			}
		}
	}
	return len(volumes), nil
}

func volumeMounts(volume string, writable bool) []specs.Mount {
	lower, tmp, merged := filepath.Join(volume, "lower"), filepath.Join(volume, "tmp"), filepath.Join(volume, "merged")
	if !writable {
		return []specs.Mount{{Source: lower, Destination: merged, Options: []string{"bind", "ro"}}}
	}
	overlay := []string{"relatime", "lowerdir=" + lower, "upperdir=" + tmp + "/upper", "workdir=" + tmp + "/work"}
	return []specs.Mount{
		{Type: "tmpfs", Source: "tmpfs", Destination: tmp, Options: []string{"relatime"}},
		{Type: "overlay", Source: "overlay", Destination: merged, Options: overlay},
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
