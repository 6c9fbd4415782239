package power

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// mostHolders are named; the first few say enough.
const mostHolders = 5

// holders names the processes that have a file below target, as "name (pid) path"; this one too, whose log may lie there.
func holders(proc, target string) []string {
	var found []string
	entries, _ := os.ReadDir(proc)
	for _, entry := range entries {
		if _, err := strconv.Atoi(entry.Name()); err != nil || len(found) == mostHolders {
			continue
		}
		if path := heldBelow(filepath.Join(proc, entry.Name()), target); path != "" {
			name, _ := os.ReadFile(filepath.Join(proc, entry.Name(), "comm"))
			found = append(found, fmt.Sprintf("%s (%s) %s", strings.TrimSpace(string(name)), entry.Name(), path))
		}
	}
	return found
}

// heldBelow gives one path below target that the process has open, runs or stands in.
func heldBelow(process, target string) string {
	links := []string{"cwd", "root", "exe"}
	opened, _ := os.ReadDir(filepath.Join(process, "fd"))
	for _, each := range opened {
		links = append(links, "fd/"+each.Name())
	}
	for _, link := range links {
		path, err := os.Readlink(filepath.Join(process, link))
		if err == nil && (path == target || strings.HasPrefix(path, target+"/")) {
			return path
		}
	}
	return ""
}
