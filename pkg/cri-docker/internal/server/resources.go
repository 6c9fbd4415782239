package server

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/moby/moby/api/types/container"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// resourcesOf writes limits into Docker's terms. Memory without swap is the default, where Docker's would be as much swap again.
func resourcesOf(given *runtime.LinuxContainerResources) container.Resources {
	limits := container.Resources{
		CPUPeriod: given.GetCpuPeriod(), CPUQuota: given.GetCpuQuota(), CPUShares: given.GetCpuShares(),
		Memory: given.GetMemoryLimitInBytes(), MemorySwap: given.GetMemorySwapLimitInBytes(),
		CpusetCpus: given.GetCpusetCpus(), CpusetMems: given.GetCpusetMems(),
	}
	if limits.MemorySwap == 0 {
		limits.MemorySwap = limits.Memory
	}
	return limits
}

// devicesOf gives the devices that a container names, those of CDI too.
func devicesOf(config *runtime.ContainerConfig) (devices []container.DeviceMapping, requests []container.DeviceRequest) {
	for _, device := range config.GetDevices() {
		devices = append(devices, container.DeviceMapping{
			PathOnHost: device.HostPath, PathInContainer: device.ContainerPath, CgroupPermissions: device.Permissions,
		})
	}
	var names []string
	for _, device := range config.GetCDIDevices() {
		names = append(names, device.Name)
	}
	if names != nil {
		requests = append(requests, container.DeviceRequest{Driver: "cdi", DeviceIDs: names})
	}
	return devices, requests
}

// applyUnified writes what Docker's API has no words for into the cgroup itself: files of cgroup v2, and limits of huge pages.
func (r *Runtime) applyUnified(pid int, given *runtime.LinuxContainerResources) error {
	wanted := unified(given)
	if len(wanted) == 0 {
		return nil
	}
	group, err := r.settings.Roots.Group(pid)
	if err != nil {
		return err
	}
	for name, text := range wanted {
		if strings.Contains(name, "/") {
			return invalid("%q is no file of a cgroup", name)
		}
		if err := os.WriteFile(filepath.Join(group, name), []byte(text), 0); err != nil {
			return fmt.Errorf("cgroup %s: %w", name, err)
		}
	}
	return nil
}

// unified gives each file's text. Limits of huge pages that the kernel has none of are passed over when they are 0.
func unified(given *runtime.LinuxContainerResources) map[string]string {
	wanted := map[string]string{}
	for name, text := range given.GetUnified() {
		wanted[name] = text
	}
	for _, pages := range given.GetHugepageLimits() {
		if pages.Limit > 0 {
			wanted["hugetlb."+pages.PageSize+".max"] = fmt.Sprint(pages.Limit)
		}
	}
	return wanted
}
