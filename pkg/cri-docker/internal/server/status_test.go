package server

import (
	"strings"
	"testing"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func TestDockerIsAskedForItsVersionOnce(t *testing.T) {
	w := newWorld(t)
	w.engine.Fail["version"] = errBroken
	if _, err := w.Version(background, &runtime.VersionRequest{}); err == nil {
		t.Error("a version of an engine that does not answer")
	}
	for range 3 {
		found, err := w.Version(background, &runtime.VersionRequest{})
		if err != nil || found.RuntimeName != "docker" || found.RuntimeVersion != "29.8.0" || found.RuntimeApiVersion != "v1" {
			t.Fatalf("%v, %v", found, err)
		}
	}
	if asked := strings.Count(strings.Join(w.engine.Calls, ","), "version"); asked != 2 {
		t.Errorf("asked %d times, once without an answer", asked)
	}
}

func TestTheKubeletTakesTheCgroupDriver(t *testing.T) {
	found, err := newWorld(t).RuntimeConfig(background, nil)
	if err != nil || found.Linux.CgroupDriver != runtime.CgroupDriver_CGROUPFS {
		t.Errorf("%v, %v", found, err)
	}
}

// conditions gives the reason of each condition that does not hold.
func conditions(t *testing.T, w *world) map[string]string {
	t.Helper()
	found, err := w.Status(background, &runtime.StatusRequest{})
	if err != nil {
		t.Fatal(err)
	}
	failing := map[string]string{}
	for _, each := range found.Status.Conditions {
		if !each.Status {
			failing[each.Type] = each.Reason + ": " + each.Message
		}
	}
	if len(found.Status.Conditions) != 2 {
		t.Errorf("conditions: %v", found.Status.Conditions)
	}
	return failing
}

func TestWhatTheNodeLacks(t *testing.T) {
	w := newWorld(t)
	if failing := conditions(t, w); len(failing) != 0 {
		t.Errorf("a whole node fails: %v", failing)
	}
	w.nets.fail = errBroken
	if failing := conditions(t, w); len(failing) != 1 || failing[runtime.NetworkReady] != "NetworkPluginNotReady: broken" {
		t.Errorf("without network: %v", failing)
	}
	w.nets.fail, w.engine.Fail["ping"] = nil, errBroken
	if failing := conditions(t, w); len(failing) != 1 || failing[runtime.RuntimeReady] != "DockerDaemonNotReady: broken" {
		t.Errorf("without Docker: %v", failing)
	}
}
