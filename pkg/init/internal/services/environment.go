package services

import (
	"os"
	"path/filepath"
	"strings"
)

// environmentFolder has what a recipe gives the node's daemons besides, as environment.d(5) has it.
const environmentFolder = "/etc/environment.d"

// readEnvironment gives the assignments of the folder's files in the order of their names; none where there is no folder.
func readEnvironment(folder string) []string {
	var found []string
	files, _ := filepath.Glob(filepath.Join(folder, "*.conf"))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for line := range strings.Lines(string(text)) {
			line = strings.TrimSpace(line)
			if strings.Contains(line, "=") && !strings.HasPrefix(line, "#") {
				found = append(found, line)
			}
		}
	}
	return found
}
