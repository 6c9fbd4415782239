package pods

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"reflect"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// runtime is a CRI server whose containers end at once, but for the stuck one, which never does.
type runtime struct {
	cri.UnimplementedRuntimeServiceServer
	containers []*cri.Container

	mu      sync.Mutex
	stopped []string
	grace   map[string]int64
}

func (r *runtime) ListContainers(_ context.Context, request *cri.ListContainersRequest) (*cri.ListContainersResponse, error) {
	if request.Filter.State.State != cri.ContainerState_CONTAINER_RUNNING {
		return nil, errors.New("asked for others than those that run")
	}
	return &cri.ListContainersResponse{Containers: r.containers}, nil
}

func (r *runtime) StopContainer(ctx context.Context, request *cri.StopContainerRequest) (*cri.StopContainerResponse, error) {
	r.mu.Lock()
	r.stopped = append(r.stopped, request.ContainerId)
	r.grace[request.ContainerId] = request.Timeout
	r.mu.Unlock()
	if request.ContainerId == "stuck" {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	return &cri.StopContainerResponse{}, nil
}

func container(id, namespace, grace string) *cri.Container {
	return &cri.Container{
		Id: id, Metadata: &cri.ContainerMetadata{Name: id}, Labels: map[string]string{namespaceLabel: namespace},
		Annotations: map[string]string{graceAnnotation: grace},
	}
}

// serve gives the path of a configuration that names the runtime.
func serve(t *testing.T, served *runtime) string {
	t.Helper()
	dir := t.TempDir()
	served.grace = map[string]int64{}
	listener, err := net.Listen("unix", filepath.Join(dir, "cri.sock"))
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	cri.RegisterRuntimeServiceServer(server, served)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	config := filepath.Join(dir, "crictl.yaml")
	if err := os.WriteFile(config, []byte("runtime-endpoint: unix://"+dir+"/cri.sock\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return config
}

func within(t *testing.T, limit time.Duration) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	t.Cleanup(cancel)
	return ctx
}

func TestEachPodHasItsOwnGracePeriodAndTheSystemEndsLast(t *testing.T) {
	served := &runtime{containers: []*cri.Container{
		container("etcd", "kube-system", "30"), container("web", "default", "45"), container("quick", "default", "0"),
		container("silent", "default", ""), container("patient", "default", "86400"),
	}}
	if err := Stop(within(t, 90*time.Second), serve(t, served)); err != nil {
		t.Fatal(err)
	}
	if last := served.stopped[len(served.stopped)-1]; last != "etcd" || len(served.stopped) != 5 {
		t.Errorf("stopped: %v", served.stopped)
	}
	patient := served.grace["patient"]
	delete(served.grace, "patient")
	if want := map[string]int64{"etcd": 30, "web": 45, "quick": 0, "silent": 30}; !reflect.DeepEqual(served.grace, want) {
		t.Errorf("grace periods: %v", served.grace)
	}
	if patient < 55 || patient > 60 {
		t.Errorf("one that wants a day has two thirds of what is left: %d s", patient)
	}
}

func TestAStuckContainerHoldsNothing(t *testing.T) {
	served := &runtime{containers: []*cri.Container{container("stuck", "default", "60"), container("etcd", "kube-system", "30")}}
	begin := time.Now()
	err := Stop(within(t, 3*time.Second), serve(t, served))
	if err == nil || time.Since(begin) > 2900*time.Millisecond {
		t.Errorf("after %v: %v", time.Since(begin), err)
	}
	if len(served.stopped) != 2 {
		t.Errorf("the system was not ended: %v", served.stopped)
	}
}

func TestANodeWithoutARuntimeHasNoPods(t *testing.T) {
	if err := Stop(within(t, time.Second), filepath.Join(t.TempDir(), "none")); err != nil {
		t.Error(err)
	}
}

func TestARuntimeThatIsDeadIsToldSoon(t *testing.T) {
	config := filepath.Join(t.TempDir(), "crictl.yaml")
	if err := os.WriteFile(config, []byte("runtime-endpoint: unix:///nowhere.sock\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if err := Stop(within(t, time.Minute), config); err == nil || time.Since(begin) > answerPeriod {
		t.Errorf("after %v: %v", time.Since(begin), err)
	}
}
