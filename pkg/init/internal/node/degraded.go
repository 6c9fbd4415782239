package node

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"kubeiso.dev/pkg/initrd/console"
)

// degradedFile is there, with a line for each reason, while the node is not what it should be: services that must not run then name it
// (org.kubeiso.unless-exists). It lies in memory, so a boot that goes well is whole again.
const degradedFile = "/run/degraded"

// condition is what keeps the node from being what it should be.
type condition struct {
	mu      sync.Mutex
	file    string
	reasons []string
}

// add takes one more reason, and leaves word of it for what must not run.
func (c *condition) add(step string, why error) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.reasons = append(c.reasons, fmt.Sprintf("%s: %v", step, why))
	return os.WriteFile(c.file, []byte(strings.Join(c.reasons, "\n")+"\n"), 0o600)
}

// all gives the reasons so far.
func (c *condition) all() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return append([]string(nil), c.reasons...)
}

// tell reports the degraded mode, if it is one, before the node says that it is ready.
func (c *condition) tell(out *console.Console, fields console.Fields) {
	reasons := c.all()
	if reasons == nil {
		return
	}
	fields["degraded"] = true
	why := strings.Join(reasons, "; ")
	out.Report(console.Line{Stage: "degraded", State: console.Failed, Seconds: -1, Error: why})
	out.Printf("\nThis node is degraded: its kubelet does not run. %s\nCorrect that, and reboot.", why)
}
