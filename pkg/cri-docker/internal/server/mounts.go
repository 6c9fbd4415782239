package server

import (
	"fmt"
	"os"

	"github.com/moby/moby/api/types/mount"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const resolvConfTarget = "/etc/resolv.conf"

var propagations = map[runtime.MountPropagation]mount.Propagation{
	runtime.MountPropagation_PROPAGATION_PRIVATE:           mount.PropagationRPrivate,
	runtime.MountPropagation_PROPAGATION_HOST_TO_CONTAINER: mount.PropagationRSlave,
	runtime.MountPropagation_PROPAGATION_BIDIRECTIONAL:     mount.PropagationRShared,
}

// mountsOf gives a container's mounts, and the pod's resolv.conf where none of them takes its place.
func mountsOf(wanted []*runtime.Mount, resolvConf string) ([]mount.Mount, error) {
	var mounts []mount.Mount
	own := true
	for _, each := range wanted {
		made, err := mountOf(each)
		if err != nil {
			return nil, fmt.Errorf("mount %s: %w", each.ContainerPath, err)
		}
		mounts = append(mounts, made)
		own = own && each.ContainerPath != resolvConfTarget
	}
	if own {
		mounts = append(mounts, bind(resolvConf, resolvConfTarget))
	}
	return mounts, nil
}

func bind(source, target string) mount.Mount {
	return mount.Mount{
		Type: mount.TypeBind, Source: source, Target: target, BindOptions: &mount.BindOptions{Propagation: mount.PropagationRPrivate},
	}
}

func mountOf(wanted *runtime.Mount) (mount.Mount, error) {
	switch {
	case len(wanted.UidMappings) > 0 || len(wanted.GidMappings) > 0:
		return mount.Mount{}, invalid("docker maps no users in mounts")
	case wanted.GetImage().GetImage() != "":
		return imageMount(wanted), nil
	case wanted.RecursiveReadOnly && (!wanted.Readonly || wanted.Propagation != runtime.MountPropagation_PROPAGATION_PRIVATE):
		return mount.Mount{}, invalid("a mount that is read-only with all below it has to be read-only and private")
	}
	if err := madeSource(wanted.HostPath); err != nil {
		return mount.Mount{}, err
	}
	made := bind(wanted.HostPath, wanted.ContainerPath)
	made.ReadOnly = wanted.Readonly
	made.BindOptions.Propagation = propagations[wanted.Propagation]
	made.BindOptions.ReadOnlyForceRecursive = wanted.RecursiveReadOnly
	made.BindOptions.ReadOnlyNonRecursive = wanted.Readonly && !wanted.RecursiveReadOnly
	return made, nil
}

// imageMount is an image as a volume.
func imageMount(wanted *runtime.Mount) mount.Mount {
	return mount.Mount{
		Type: mount.TypeImage, Source: wanted.Image.Image, Target: wanted.ContainerPath, ReadOnly: true,
		ImageOptions: &mount.ImageOptions{Subpath: wanted.ImageSubPath},
	}
}

// madeSource makes a folder where a path of the node is missing, as the other runtimes do.
func madeSource(path string) error {
	if _, err := os.Stat(path); os.IsNotExist(err) {
		return os.MkdirAll(path, 0o755)
	}
	return nil
}
