package server

import (
	"context"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// containerOptions says what Docker is to make for a container of a pod. sandbox is the pod's id.
func (r *Runtime) containerOptions(
	ctx context.Context, sandbox, handler string, pod *runtime.PodSandboxConfig, config *runtime.ContainerConfig,
) (client.ContainerCreateOptions, error) {
	host, err := r.hostConfig(sandbox, handler, pod, config)
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	context := config.GetLinux().GetSecurityContext()
	user, err := userOf(context.GetRunAsUser(), context.GetRunAsGroup(), context.GetRunAsUsername())
	if err != nil {
		return client.ContainerCreateOptions{}, err
	}
	own := &container.Config{
		Image: r.imageName(ctx, config.GetImage()), User: user, Env: environment(config.Envs), WorkingDir: config.WorkingDir,
		Entrypoint: config.Command, Cmd: config.Args, Tty: config.Tty, OpenStdin: config.Stdin, StdinOnce: config.StdinOnce,
		StopSignal: signalName(config.StopSignal), Labels: map[string]string{labelKind: kindContainer, labelSandbox: sandbox},
		// The kubelet asks containers for their health; an image's own question would be asked beside.
		Healthcheck: &container.HealthConfig{Test: []string{"NONE"}},
	}
	name := containerName(config.GetMetadata(), pod.GetMetadata())
	return client.ContainerCreateOptions{Name: name, Config: own, HostConfig: host}, nil
}

func (r *Runtime) hostConfig(
	sandbox, handler string, pod *runtime.PodSandboxConfig, config *runtime.ContainerConfig,
) (*container.HostConfig, error) {
	linux := config.GetLinux()
	host := &container.HostConfig{
		CgroupnsMode: container.CgroupnsModePrivate, Runtime: handler, Resources: resourcesOf(linux.GetResources()),
		OomScoreAdj: int(linux.GetResources().GetOomScoreAdj()), LogConfig: container.LogConfig{Type: "json-file"},
	}
	host.CgroupParent = pod.GetLinux().GetCgroupParent()
	host.Devices, host.DeviceRequests = devicesOf(config)
	var err error
	if host.Mounts, err = mountsOf(config.Mounts, r.resolvConfPath(sandbox)); err != nil {
		return nil, err
	}
	if err := secure(host, linux.GetSecurityContext()); err != nil {
		return nil, err
	}
	return host, r.share(host, sandbox, pod, linux.GetSecurityContext().GetNamespaceOptions())
}

// share puts a container into its pod's namespaces, or the node's.
func (r *Runtime) share(host *container.HostConfig, sandbox string, pod *runtime.PodSandboxConfig, own *runtime.NamespaceOption) error {
	host.NetworkMode, host.IpcMode = container.NetworkMode("container:"+sandbox), container.IpcMode("container:"+sandbox)
	switch own.GetPid() {
	case runtime.NamespaceMode_POD:
		host.PidMode = container.PidMode("container:" + sandbox)
	case runtime.NamespaceMode_TARGET:
		target, record, err := r.Containers.Get(own.GetTargetId())
		if err != nil || record.Sandbox != sandbox {
			return invalid("the pod has no container %q whose processes could be shared", own.GetTargetId())
		}
		host.PidMode = container.PidMode("container:" + target)
	}
	shareWithNode(host, namespaces(pod))
	if own.GetPid() == runtime.NamespaceMode_NODE {
		host.PidMode = "host"
	}
	return nil
}

func environment(given []*runtime.KeyValue) []string {
	var lines []string
	for _, variable := range given {
		lines = append(lines, variable.Key+"="+string(variable.Value))
	}
	return lines
}

// imageName gives the name that the pod's author wrote, as long as it still is the image that the kubelet chose: `docker ps` shows it.
func (r *Runtime) imageName(ctx context.Context, image *runtime.ImageSpec) string {
	wanted := image.GetUserSpecifiedImage()
	if wanted == "" || wanted == image.GetImage() {
		return image.GetImage()
	}
	chosen, err := r.Engine.ImageInspect(ctx, image.GetImage())
	if err != nil {
		return image.GetImage()
	}
	if named, err := r.Engine.ImageInspect(ctx, wanted); err != nil || named.ID != chosen.ID {
		return image.GetImage()
	}
	return wanted
}
