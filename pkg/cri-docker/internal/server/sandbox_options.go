package server

import (
	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	"google.golang.org/protobuf/proto"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	// sandboxScore makes the kernel spare the process that holds a pod's namespaces, as the kubelet's runtimes have it.
	sandboxScore  = -998
	sandboxShares = 2 // the least, of 1024
)

// namespaces gives the pod's options; unset ones are POD, but for user namespaces, which then there are none of.
func namespaces(config *runtime.PodSandboxConfig) *runtime.NamespaceOption {
	return config.GetLinux().GetSecurityContext().GetNamespaceOptions()
}

func hostNetwork(config *runtime.PodSandboxConfig) bool {
	return namespaces(config).GetNetwork() == runtime.NamespaceMode_NODE
}

// sandboxOptions says what Docker is to make for a pod: the process that holds its namespaces. CNI gives it a network.
func (r *Runtime) sandboxOptions(request *runtime.RunPodSandboxRequest) (client.ContainerCreateOptions, error) {
	config := request.GetConfig()
	if err := checkSandbox(config); err != nil {
		return client.ContainerCreateOptions{}, err
	}
	context := config.GetLinux().GetSecurityContext()
	host := &container.HostConfig{
		NetworkMode: "none", IpcMode: container.IPCModeShareable, CgroupnsMode: container.CgroupnsModePrivate,
		LogConfig: container.LogConfig{Type: "none"}, Sysctls: config.GetLinux().GetSysctls(), OomScoreAdj: sandboxScore,
		ReadonlyRootfs: context.GetReadonlyRootfs(), Runtime: request.GetRuntimeHandler(),
		Resources: container.Resources{CgroupParent: config.GetLinux().GetCgroupParent(), CPUShares: sandboxShares},
	}
	shareWithNode(host, namespaces(config))
	var err error
	if host.SecurityOpt, err = sandboxSecurity(context); err != nil {
		return client.ContainerCreateOptions{}, err
	}
	user, err := userOf(context.GetRunAsUser(), context.GetRunAsGroup(), "")
	own := &container.Config{
		Image: r.settings.Pause, User: user, Labels: map[string]string{labelKind: kindSandbox},
	}
	if !hostNetwork(config) {
		own.Hostname = config.GetHostname()
	}
	return client.ContainerCreateOptions{Name: sandboxName(config.GetMetadata()), Config: own, HostConfig: host}, err
}

func checkSandbox(config *runtime.PodSandboxConfig) error {
	if config.GetMetadata().GetName() == "" {
		return invalid("the sandbox has no name")
	}
	user := namespaces(config).GetUsernsOptions()
	if user != nil && user.Mode != runtime.NamespaceMode_NODE {
		return invalid("docker gives pods no user namespaces of their own")
	}
	return nil
}

// shareWithNode takes the node's namespaces where a pod wants them.
func shareWithNode(host *container.HostConfig, options *runtime.NamespaceOption) {
	if options.GetNetwork() == runtime.NamespaceMode_NODE {
		host.NetworkMode, host.UTSMode = "host", "host"
	}
	if options.GetIpc() == runtime.NamespaceMode_NODE {
		host.IpcMode = container.IPCModeHost
	}
	if options.GetPid() == runtime.NamespaceMode_NODE {
		host.PidMode = "host"
	}
}

// withPodResources gives the configuration with other limits; the one that is given, which others read, stays as it is.
func withPodResources(config *runtime.PodSandboxConfig, given *runtime.UpdatePodSandboxResourcesRequest) *runtime.PodSandboxConfig {
	changed := proto.CloneOf(config)
	if changed.Linux == nil {
		changed.Linux = &runtime.LinuxPodSandboxConfig{}
	}
	changed.Linux.Overhead, changed.Linux.Resources = given.Overhead, given.Resources
	return changed
}
