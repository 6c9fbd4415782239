package images

import (
	"context"
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/moby/moby/client"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"kubeiso.dev/pkg/cri-docker/internal/engine/enginetest"
)

var background = context.Background()

func spec(name string) *runtime.ImageSpec { return &runtime.ImageSpec{Image: name} }

func TestNamesAreWholeAndThoseOfTheNodePinned(t *testing.T) {
	engine := enginetest.New("kubeiso/client:1", "quay.io/a/b:2")
	service := New(engine, []string{"docker.io/kubeiso/client:1"}, t.TempDir())
	list, err := service.ListImages(background, &runtime.ListImagesRequest{})
	if err != nil || len(list.Images) != 2 {
		t.Fatalf("%v, %v", list, err)
	}
	pinned := map[string]bool{}
	for _, image := range list.Images {
		pinned[image.RepoTags[0]] = image.Pinned
	}
	if want := map[string]bool{"docker.io/kubeiso/client:1": true, "quay.io/a/b:2": false}; !reflect.DeepEqual(pinned, want) {
		t.Errorf("got %v", pinned)
	}
}

func TestAnImageThatIsNotThere(t *testing.T) {
	service := New(enginetest.New(), nil, t.TempDir())
	status, err := service.ImageStatus(background, &runtime.ImageStatusRequest{Image: spec("nope")})
	if err != nil || status.Image != nil {
		t.Errorf("%v, %v", status, err)
	}
	list, err := service.ListImages(background, &runtime.ListImagesRequest{Filter: &runtime.ImageFilter{Image: spec("nope")}})
	if err != nil || len(list.Images) != 0 {
		t.Errorf("%v, %v", list, err)
	}
	if _, err := service.RemoveImage(background, &runtime.RemoveImageRequest{Image: spec("nope")}); err != nil {
		t.Error(err)
	}
}

func TestUsers(t *testing.T) {
	for text, want := range map[string]string{"": "0 ", "1000": "1000 ", "1000:5": "1000 ", "www:www": "none www"} {
		number, name := user(text)
		got := "none " + name
		if number != nil {
			got = strings.TrimSpace(number.String())
			got = strings.TrimPrefix(got, "value:") + " " + name
			if number.Value == 0 {
				got = "0 " + name
			}
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}

func TestRemovalTakesEveryName(t *testing.T) {
	engine := enginetest.New()
	engine.AddImage("a:1", "a:2")
	service := New(engine, nil, t.TempDir())
	if _, err := service.RemoveImage(background, &runtime.RemoveImageRequest{Image: spec("sha256:a:1")}); err != nil {
		t.Fatal(err)
	}
	if status, err := service.ImageStatus(background, &runtime.ImageStatusRequest{Image: spec("a:2")}); status.Image != nil {
		t.Errorf("still there: %v, %v", status, err)
	}
	engine.AddImage("b:1")
	engine.Fail["rmi"] = errors.New("a container uses it")
	if _, err := service.RemoveImage(background, &runtime.RemoveImageRequest{Image: spec("b:1")}); err == nil {
		t.Error("no error for an image in use")
	}
}

func TestPullWithCredentials(t *testing.T) {
	engine := enginetest.New()
	service := New(engine, nil, t.TempDir())
	answer, err := service.PullImage(background, &runtime.PullImageRequest{
		Image: spec("a:1"), Auth: &runtime.AuthConfig{Username: "me", Password: "secret"},
	})
	if err != nil || answer.ImageRef != "sha256:a:1" {
		t.Fatalf("%v, %v", answer, err)
	}
	header := strings.Fields(engine.Calls[0])[2]
	text, err := base64.URLEncoding.DecodeString(header)
	if err != nil || !strings.Contains(string(text), `"password":"secret"`) {
		t.Errorf("%s, %v", text, err)
	}
}

func TestAPullThatBreaksOff(t *testing.T) {
	engine := enginetest.New()
	engine.Fail["wait"] = errors.New("unexpected EOF")
	if _, err := New(engine, nil, t.TempDir()).PullImage(background, &runtime.PullImageRequest{Image: spec("a:1")}); err == nil {
		t.Error("no error")
	}
}

func TestWhatImagesTake(t *testing.T) {
	root := t.TempDir()
	service := New(enginetest.New(), nil, root)
	if err := service.measure(background); err != nil {
		t.Fatal(err)
	}
	found := usageOf(t, service)
	if found.UsedBytes.Value != 12345 || found.FsId.Mountpoint != root || found.Timestamp <= service.begun.UnixNano() {
		t.Errorf("got %v", found)
	}
	if _, err := New(enginetest.New(), nil, root+"/none").ImageFsInfo(background, &runtime.ImageFsInfoRequest{}); err == nil {
		t.Error("a folder that is not there is taken")
	}
}

func usageOf(t *testing.T, service *Service) *runtime.FilesystemUsage {
	t.Helper()
	info, err := service.ImageFsInfo(background, &runtime.ImageFsInfoRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return info.ImageFilesystems[0]
}

// slowEngine does not say what images take before it is let go on.
type slowEngine struct {
	*enginetest.Engine
	asked, goOn chan struct{}
}

func (e slowEngine) DiskUsage(ctx context.Context, options client.DiskUsageOptions) (client.DiskUsageResult, error) {
	e.asked <- struct{}{}
	select {
	case <-e.goOn:
		return e.Engine.DiskUsage(ctx, options)
	case <-ctx.Done():
		return client.DiskUsageResult{}, ctx.Err()
	}
}

func TestNobodyWaitsForASlowEngine(t *testing.T) {
	engine := slowEngine{enginetest.New(), make(chan struct{}), make(chan struct{})}
	service := New(engine, nil, t.TempDir())
	ctx, stop := context.WithCancel(background)
	ended := make(chan struct{})
	go func() { service.KeepMeasured(ctx); close(ended) }()
	<-engine.asked
	if found := usageOf(t, service); found.UsedBytes.Value != 0 || found.Timestamp != service.begun.UnixNano() {
		t.Errorf("got %v of an engine that has not answered", found)
	}
	close(engine.goOn)
	<-service.fs.first
	if found := usageOf(t, service); found.UsedBytes.Value != 12345 {
		t.Errorf("got %v", found)
	}
	stop()
	<-ended
}

func TestASumThatFailsLeavesTheLastOne(t *testing.T) {
	engine := enginetest.New()
	service := New(engine, nil, t.TempDir())
	if err := service.measure(background); err != nil {
		t.Fatal(err)
	}
	engine.Fail["df"] = errors.New("the engine is gone")
	if service.measure(background) == nil {
		t.Error("no error")
	}
	if found := usageOf(t, service); found.UsedBytes.Value != 12345 {
		t.Errorf("got %v", found)
	}
}
