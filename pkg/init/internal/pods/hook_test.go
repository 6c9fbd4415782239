package pods

import (
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

func (r *runtime) ExecSync(_ context.Context, request *cri.ExecSyncRequest) (*cri.ExecSyncResponse, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped = append(r.stopped, request.ContainerId+" "+strings.Join(request.Cmd, " "))
	if request.Cmd[0] == "false" {
		return &cri.ExecSyncResponse{ExitCode: 1}, nil
	}
	return &cri.ExecSyncResponse{}, nil
}

func (r *runtime) PodSandboxStatus(context.Context, *cri.PodSandboxStatusRequest) (*cri.PodSandboxStatusResponse, error) {
	return &cri.PodSandboxStatusResponse{Status: &cri.PodSandboxStatus{Network: &cri.PodSandboxNetworkStatus{Ip: "127.0.0.1"}}}, nil
}

// hooked is a container with what the kubelet writes of its hook.
func hooked(id, grace, hook string) *cri.Container {
	made := container(id, "default", grace)
	made.Annotations[hookAnnotation] = hook
	return made
}

func TestAHookRunsBeforeItsContainerEnds(t *testing.T) {
	served := &runtime{containers: []*cri.Container{hooked("web", "45", `{"exec":{"command":["nginx","-s","quit"]}}`)}}
	if err := Stop(within(t, 90*time.Second), serve(t, served)); err != nil {
		t.Fatal(err)
	}
	if said := strings.Join(served.stopped, "; "); said != "web nginx -s quit; web" {
		t.Errorf("done: %s", said)
	}
}

func TestAHookIsPartOfTheGracePeriod(t *testing.T) {
	served := &runtime{containers: []*cri.Container{
		hooked("sleepy", "5", `{"sleep":{"seconds":2}}`), hooked("endless", "1", `{"sleep":{"seconds":3600}}`),
		hooked("hurried", "0", `{"sleep":{"seconds":3600}}`),
	}}
	begin := time.Now()
	if err := Stop(within(t, 90*time.Second), serve(t, served)); err == nil || !strings.Contains(err.Error(), "endless") {
		t.Errorf("a hook that took longer than its period is not told: %v", err)
	}
	if took := time.Since(begin); took < 2*time.Second || took > 10*time.Second {
		t.Errorf("the hooks took %v", took)
	}
	if served.grace["sleepy"] != 3 || served.grace["endless"] != 2 || served.grace["hurried"] != 0 {
		t.Errorf("grace periods after the hooks: %v", served.grace)
	}
}

func TestAHookThatFailsHoldsNothing(t *testing.T) {
	for _, hook := range []string{`{"exec":{"command":["false"]}}`, `{"unheard":{}}`, `{`, `{"httpGet":{"port":"none"}}`, `{"httpGet":{"port":1}}`} {
		served := &runtime{containers: []*cri.Container{hooked("web", "45", hook)}}
		if err := Stop(within(t, 90*time.Second), serve(t, served)); err == nil {
			t.Errorf("%s is not told", hook)
		}
		if served.grace["web"] < 44 {
			t.Errorf("%s: not ended in its period: %v", hook, served.grace)
		}
	}
}

func TestAHookAsksItsPod(t *testing.T) {
	var asked atomic.Value
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r.Host + " " + r.URL.String() + " " + r.Header.Get("X-Why"))
		w.WriteHeader(http.StatusInternalServerError) // any answer will do
	}))
	t.Cleanup(server.Close)
	_, number, _ := net.SplitHostPort(strings.TrimPrefix(server.URL, "http://"))
	headers := `"httpHeaders":[{"name":"Host","value":"drain.example"},{"name":"X-Why","value":"off"}]`
	for _, named := range []string{number, `"bye"`, `"` + number + `"`} {
		web := hooked("web", "45", `{"httpGet":{"path":"/drain?now=1","port":`+named+`,"scheme":"HTTP",`+headers+`}}`)
		web.Annotations[portsAnnotation] = `[{"name":"bye","containerPort":` + number + `,"protocol":"TCP"}]`
		if err := Stop(within(t, 90*time.Second), serve(t, &runtime{containers: []*cri.Container{web}})); err != nil {
			t.Fatal(err)
		}
		if said := asked.Swap(""); said != "drain.example /drain?now=1 off" {
			t.Errorf("by port %s it asked: %v", named, said)
		}
	}
}
