package pods

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"strings"
	"time"

	cri "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// The kubelet's words on a container's hook and ports, so that they can be honoured where the pod's specification is not at hand
// (pkg/kubelet/kuberuntime/labels.go).
const (
	hookAnnotation  = "io.kubernetes.container.preStopHandler"
	portsAnnotation = "io.kubernetes.container.ports"
)

// handler is what a preStop hook does: one of the LifecycleHandler of Kubernetes' API.
type handler struct {
	Exec    *struct{ Command []string }
	HTTPGet *request
	Sleep   *struct{ Seconds int64 }
}

type request struct {
	Host, Path, Scheme string
	Port               json.RawMessage
	HTTPHeaders        []struct{ Name, Value string }
}

type port struct {
	Name          string
	ContainerPort int
}

// hookOf gives a container's preStop hook; nil where it has none.
func hookOf(container *cri.Container) (*handler, error) {
	text, found := container.Annotations[hookAnnotation]
	if !found {
		return nil, nil
	}
	hook := &handler{}
	if err := json.Unmarshal([]byte(text), hook); err != nil {
		return nil, fmt.Errorf("its preStop hook cannot be read: %w", err)
	}
	return hook, nil
}

// runHook does what a container's preStop hook says, if it has one, until ctx ends.
func runHook(ctx context.Context, client cri.RuntimeServiceClient, container *cri.Container) error {
	hook, err := hookOf(container)
	switch {
	case err != nil || hook == nil:
		return err
	case hook.Exec != nil:
		return execute(ctx, client, container, hook.Exec.Command)
	case hook.HTTPGet != nil:
		return get(ctx, client, container, hook.HTTPGet)
	case hook.Sleep != nil:
		return sleep(ctx, time.Duration(hook.Sleep.Seconds)*time.Second)
	}
	return errors.New("its preStop hook is of a kind that is not known here")
}

func execute(ctx context.Context, client cri.RuntimeServiceClient, container *cri.Container, command []string) error {
	answer, err := client.ExecSync(ctx, &cri.ExecSyncRequest{ContainerId: container.Id, Cmd: command})
	if err == nil && answer.ExitCode != 0 {
		err = fmt.Errorf("its preStop hook ended with exit code %d", answer.ExitCode)
	}
	return err
}

func sleep(ctx context.Context, period time.Duration) error {
	select {
	case <-time.After(period):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// insecureClient trusts any certificate, as the kubelet does for hooks: pods have their own.
var insecureClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}

// get asks the container; any answer will do, as for the kubelet.
func get(ctx context.Context, client cri.RuntimeServiceClient, container *cri.Container, asked *request) error {
	host, err := asked.Host, error(nil)
	if host == "" {
		if host, err = address(ctx, client, container.PodSandboxId); err != nil {
			return err
		}
	}
	number, err := portOf(asked.Port, container.Annotations[portsAnnotation])
	if err != nil {
		return err
	}
	scheme := strings.ToLower(asked.Scheme)
	if scheme == "" {
		scheme = "http"
	}
	url := scheme + "://" + net.JoinHostPort(host, strconv.Itoa(number)) + "/" + strings.TrimPrefix(asked.Path, "/")
	sent, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	for _, header := range asked.HTTPHeaders {
		sent.Header.Add(header.Name, header.Value)
	}
	sent.Host = sent.Header.Get("Host")
	answer, err := insecureClient.Do(sent)
	if err == nil {
		err = answer.Body.Close()
	}
	return err
}

// address gives a pod's: the sandbox's own, or the node's where it has none (host network).
func address(ctx context.Context, client cri.RuntimeServiceClient, sandbox string) (string, error) {
	answer, err := client.PodSandboxStatus(ctx, &cri.PodSandboxStatusRequest{PodSandboxId: sandbox})
	if err != nil {
		return "", err
	}
	if ip := answer.GetStatus().GetNetwork().GetIp(); ip != "" {
		return ip, nil
	}
	return "127.0.0.1", nil
}

// portOf reads a port: a number, or a name that the container's ports know.
func portOf(wanted json.RawMessage, ports string) (int, error) {
	var number int
	if json.Unmarshal(wanted, &number) == nil {
		return number, nil
	}
	var name string
	if err := json.Unmarshal(wanted, &name); err != nil {
		return 0, fmt.Errorf("the port of its preStop hook cannot be read: %w", err)
	}
	if number, err := strconv.Atoi(name); err == nil {
		return number, nil
	}
	var known []port
	_ = json.Unmarshal([]byte(ports), &known)
	for _, each := range known {
		if each.Name == name {
			return each.ContainerPort, nil
		}
	}
	return 0, fmt.Errorf("its preStop hook names a port that it does not have: %q", name)
}
