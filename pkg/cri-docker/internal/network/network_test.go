package network

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	cni "github.com/containerd/go-cni"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// plugin answers as CNI wants it, and writes down what it was asked.
const plugin = `#!/bin/sh
echo "$CNI_COMMAND $CNI_CONTAINERID $CNI_NETNS $CNI_ARGS" >>"$(dirname "$0")/asked"
cat >>"$(dirname "$0")/config"
case $CNI_COMMAND in
ADD) echo '{"cniVersion":"1.0.0","interfaces":[{"name":"eth0","sandbox":"/x"}],"ips":[{"address":"10.1.2.3/24","interface":0}]}' ;;
VERSION) echo '{"cniVersion":"1.0.0","supportedVersions":["1.0.0"]}' ;;
esac
`

const conflist = `{"cniVersion":"1.0.0","name":"toy","plugins":[{"type":"toy","capabilities":{"portMappings":true,"bandwidth":true}}]}`

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func toy(t *testing.T) (*Network, string, string) {
	t.Helper()
	bin, conf := t.TempDir(), t.TempDir()
	t.Setenv("CNI_CACHE_DIR", t.TempDir())
	write(t, filepath.Join(bin, "toy"), plugin, 0o755)
	made, err := New(bin, conf)
	if err != nil {
		t.Fatal(err)
	}
	return made, bin, conf
}

func TestTheConfigurationMayComeLater(t *testing.T) {
	made, _, conf := toy(t)
	if made.Status() == nil {
		t.Error("ready without a configuration")
	}
	write(t, filepath.Join(conf, "10-toy.conflist"), conflist, 0o644)
	later := time.Now().Add(time.Second)
	if err := os.Chtimes(conf, later, later); err != nil {
		t.Fatal(err)
	}
	if err := made.Status(); err != nil {
		t.Error(err)
	}
}

func TestAPodIsConnectedAndTakenBack(t *testing.T) {
	made, bin, conf := toy(t)
	write(t, filepath.Join(conf, "10-toy.conflist"), conflist, 0o644)
	config := &runtime.PodSandboxConfig{
		Metadata: &runtime.PodSandboxMetadata{Name: "web", Namespace: "default", Uid: "u"},
		PortMappings: []*runtime.PortMapping{
			{ContainerPort: 80, HostPort: 8080, HostIp: "1.2.3.4"}, {ContainerPort: 81, Protocol: runtime.Protocol_UDP},
		},
		Annotations: map[string]string{ingressAnnotation: "10M"},
	}
	ips, err := made.Add(context.Background(), "id", "/proc/1/ns/net", config)
	if err != nil || !reflect.DeepEqual(ips, []string{"10.1.2.3"}) {
		t.Fatalf("%v, %v", ips, err)
	}
	if err := made.Remove(context.Background(), "id", "", config); err != nil {
		t.Fatal(err)
	}
	asked, _ := os.ReadFile(filepath.Join(bin, "asked"))
	for _, want := range []string{"ADD id /proc/1/ns/net ", "K8S_POD_NAME=web", "K8S_POD_NAMESPACE=default", "DEL id  "} {
		if !strings.Contains(string(asked), want) {
			t.Errorf("%q is not in %s", want, asked)
		}
	}
	given, _ := os.ReadFile(filepath.Join(bin, "config"))
	for _, want := range []string{`"HostPort":8080`, `"Protocol":"tcp"`, `"HostIP":"1.2.3.4"`, `"IngressRate":10000000`} {
		if !strings.Contains(string(given), want) {
			t.Errorf("%s is not in %s", want, given)
		}
	}
	if strings.Contains(string(given), `"ContainerPort":81`) {
		t.Error("a port that the node shall not have is mapped")
	}
}

func TestARateThatIsNone(t *testing.T) {
	for _, text := range []string{"fast", "-1", "0"} {
		if _, _, err := bandwidth(map[string]string{egressAnnotation: text}); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
	if _, limited, err := bandwidth(nil); limited || err != nil {
		t.Errorf("no annotation: %v, %v", limited, err)
	}
}

func TestNoAddress(t *testing.T) {
	for _, result := range []*cni.Result{{}, {Interfaces: map[string]*cni.Config{"eth0": {}}}} {
		if _, err := addresses(result); err == nil {
			t.Error("a pod without an address is taken")
		}
	}
}
