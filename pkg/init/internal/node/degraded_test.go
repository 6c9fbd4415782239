package node

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"kubeiso.dev/pkg/initrd/console"
)

func TestADegradedNodeSaysWhyAndLeavesWordForItsServices(t *testing.T) {
	var shown bytes.Buffer
	out, fields := console.New(&shown), console.Fields{}
	found := &condition{file: filepath.Join(t.TempDir(), "degraded")}
	if found.tell(out, fields); shown.Len() > 0 || fields["degraded"] != nil {
		t.Errorf("without a reason: %q, %v", &shown, fields)
	}
	if err := found.add("003-metadata", errors.New("network-config, line 3, bonds: this key is not known")); err != nil {
		t.Fatal(err)
	}
	found.tell(out, fields)
	text, err := os.ReadFile(found.file)
	if err != nil || string(text) != "003-metadata: network-config, line 3, bonds: this key is not known\n" {
		t.Errorf("got %q, %v", text, err)
	}
	if !strings.Contains(shown.String(), `"stage":"degraded","state":"failed","error":"003-metadata: network-config, line 3`) || fields["degraded"] != true {
		t.Errorf("told %q, %v", &shown, fields)
	}
}
