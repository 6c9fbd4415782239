package main

import (
	"os"
	"path/filepath"
	"testing"
)

func TestTheHypervisorsChannelsAreMarked(t *testing.T) {
	for _, test := range []struct {
		vmware bool
		port   string
		want   map[string]string
	}{
		{want: map[string]string{}},
		{vmware: true, want: map[string]string{"vmware": ""}},
		{port: agentPort, want: map[string]string{"qemu": "/dev/vport1p2\n"}},
		{port: "com.redhat.spice.0", want: map[string]string{}},
	} {
		sys, root := t.TempDir(), t.TempDir()
		if test.port != "" {
			write(t, filepath.Join(sys, "class/virtio-ports/vport1p1/name"), "org.kubeiso.console\n")
			write(t, filepath.Join(sys, "class/virtio-ports/vport1p2/name"), test.port+"\n")
		}
		if err := markHypervisor(options{root: root, sys: sys}, func() bool { return test.vmware }); err != nil {
			t.Fatal(err)
		}
		listed, _ := os.ReadDir(filepath.Join(root, hypervisorFolder))
		if len(listed) != len(test.want) {
			t.Errorf("%+v: got %v", test, listed)
		}
		for name, text := range test.want {
			if got, err := os.ReadFile(filepath.Join(root, hypervisorFolder, name)); err != nil || string(got) != text {
				t.Errorf("%+v: %s: got %q, %v", test, name, got, err)
			}
		}
	}
}
