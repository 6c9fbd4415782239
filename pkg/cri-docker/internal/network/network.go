// Package network gives a sandbox its network through CNI's plugins, with the same configuration as any other runtime.
package network

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	cni "github.com/containerd/go-cni"
	"k8s.io/apimachinery/pkg/api/resource"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// defaultInterface is the pod's card, by CNI's convention.
const defaultInterface = "eth0"

// Annotations of a pod that limit its rate (kubernetes.io, "Network Plugins"), in bits each second.
const (
	ingressAnnotation = "kubernetes.io/ingress-bandwidth"
	egressAnnotation  = "kubernetes.io/egress-bandwidth"
)

// Network is the pod network of the node.
type Network struct {
	confDir string
	plugins cni.CNI

	mu     sync.Mutex
	loaded time.Time // when the folder had last changed, as it was read
}

// New gives the network that the first file in confDir describes, with plugins from binDir.
func New(binDir, confDir string) (*Network, error) {
	plugins, err := cni.New(cni.WithPluginDir([]string{binDir}), cni.WithPluginConfDir(confDir))
	if err != nil {
		return nil, err
	}
	return &Network{confDir: confDir, plugins: plugins}, nil
}

// Status says why pods can't have a network; nil when they can.
func (n *Network) Status() error {
	if err := n.load(); err != nil {
		return err
	}
	return n.plugins.Status()
}

// load reads the configuration again when its folder has changed: add-ons in the cluster write there at any time.
func (n *Network) load() error {
	info, err := os.Stat(n.confDir)
	if err != nil {
		return fmt.Errorf("no CNI configuration: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if info.ModTime().Equal(n.loaded) {
		return nil
	}
	if err := n.plugins.Load(cni.WithDefaultConf); err != nil {
		n.loaded = time.Time{}
		return err
	}
	n.loaded = info.ModTime()
	return nil
}

// Add connects the network namespace at path, and gives the sandbox's addresses, the first of them the pod's.
func (n *Network) Add(ctx context.Context, id, path string, config *runtime.PodSandboxConfig) ([]string, error) {
	if err := n.load(); err != nil {
		return nil, err
	}
	options, err := optionsOf(id, config)
	if err != nil {
		return nil, err
	}
	result, err := n.plugins.Setup(ctx, id, path, options...)
	if err != nil {
		return nil, err
	}
	return addresses(result)
}

// Remove takes back what Add made, as much of it as there is. path is empty when the namespace is gone.
func (n *Network) Remove(ctx context.Context, id, path string, config *runtime.PodSandboxConfig) error {
	if err := n.load(); err != nil {
		return err
	}
	options, err := optionsOf(id, config)
	if err != nil {
		return err
	}
	return n.plugins.Remove(ctx, id, path, options...)
}

func addresses(result *cni.Result) ([]string, error) {
	card := result.Interfaces[defaultInterface]
	if card == nil || len(card.IPConfigs) == 0 {
		return nil, fmt.Errorf("the CNI plugins gave %s no address", defaultInterface)
	}
	var found []string
	for _, config := range card.IPConfigs {
		found = append(found, config.IP.String())
	}
	return found, nil
}

// optionsOf gives the arguments that runtimes pass to plugins (cni.dev, CONVENTIONS.md).
func optionsOf(id string, config *runtime.PodSandboxConfig) ([]cni.NamespaceOpts, error) {
	pod := config.GetMetadata()
	options := []cni.NamespaceOpts{
		cni.WithLabels(map[string]string{
			"K8S_POD_NAMESPACE": pod.GetNamespace(), "K8S_POD_NAME": pod.GetName(), "K8S_POD_UID": pod.GetUid(),
			"K8S_POD_INFRA_CONTAINER_ID": id, "IgnoreUnknown": "1",
		}),
		cni.WithCapabilityPortMap(portMappings(config)),
		cni.WithCapability("io.kubernetes.cri.pod-annotations", config.GetAnnotations()),
		cni.WithCapabilityCgroupPath(config.GetLinux().GetCgroupParent()),
	}
	rate, limited, err := bandwidth(config.GetAnnotations())
	if limited {
		options = append(options, cni.WithCapabilityBandWidth(rate))
	}
	return options, err
}

// portMappings are the ports of the pod that the node shall have too.
func portMappings(config *runtime.PodSandboxConfig) []cni.PortMapping {
	var found []cni.PortMapping
	for _, port := range config.GetPortMappings() {
		if port.HostPort > 0 {
			found = append(found, cni.PortMapping{
				HostPort: port.HostPort, ContainerPort: port.ContainerPort, HostIP: port.HostIp,
				Protocol: strings.ToLower(port.Protocol.String()),
			})
		}
	}
	return found
}

// bandwidth reads the rates that a pod is limited to; limited is false without any.
func bandwidth(annotations map[string]string) (rate cni.BandWidth, limited bool, err error) {
	// As high as plugins take it: no limit in the bursts.
	const burst = 1<<31 - 1
	for name, target := range map[string]*uint64{ingressAnnotation: &rate.IngressRate, egressAnnotation: &rate.EgressRate} {
		text, found := annotations[name]
		if !found {
			continue
		}
		amount, err := resource.ParseQuantity(text)
		if err != nil || amount.Sign() <= 0 {
			return rate, false, fmt.Errorf("annotation %s: %s is no rate", name, strconv.Quote(text))
		}
		*target, limited = uint64(amount.Value()), true
	}
	if rate.IngressRate > 0 {
		rate.IngressBurst = burst
	}
	if rate.EgressRate > 0 {
		rate.EgressBurst = burst
	}
	return rate, limited, nil
}
