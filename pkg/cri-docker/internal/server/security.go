package server

import (
	"fmt"
	"os"
	"strconv"

	"github.com/moby/moby/api/types/container"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Words of Docker's security options.
const (
	noNewPrivileges    = "no-new-privileges"
	seccompOption      = "seccomp="
	seccompUnconfined  = seccompOption + "unconfined"
	apparmorOption     = "apparmor="
	apparmorUnconfined = apparmorOption + "unconfined"
	apparmorModule     = "/sys/module/apparmor/parameters/enabled"
)

func sandboxSecurity(context *runtime.LinuxSandboxSecurityContext) ([]string, error) {
	options := []string{noNewPrivileges}
	seccomp, err := seccompOf(context.GetSeccomp(), context.GetPrivileged())
	options = append(options, seccomp...)
	options = append(options, apparmorOf(context.GetApparmor(), context.GetPrivileged())...)
	return append(options, selinuxOf(context.GetSelinuxOptions())...), err
}

// secure writes a container's security context into Docker's terms.
func secure(host *container.HostConfig, context *runtime.LinuxContainerSecurityContext) error {
	host.Privileged, host.ReadonlyRootfs = context.GetPrivileged(), context.GetReadonlyRootfs()
	host.CapAdd = context.GetCapabilities().GetAddCapabilities()
	host.CapDrop = context.GetCapabilities().GetDropCapabilities()
	for _, group := range context.GetSupplementalGroups() {
		host.GroupAdd = append(host.GroupAdd, strconv.FormatInt(group, 10))
	}
	// The kubelet sends both for privileged containers too, and Docker would obey. Empty lists are none, nil ones are Docker's own.
	host.MaskedPaths, host.ReadonlyPaths = []string{}, []string{}
	if !host.Privileged {
		host.MaskedPaths = append(host.MaskedPaths, context.GetMaskedPaths()...)
		host.ReadonlyPaths = append(host.ReadonlyPaths, context.GetReadonlyPaths()...)
	}
	if context.GetNoNewPrivs() {
		host.SecurityOpt = append(host.SecurityOpt, noNewPrivileges)
	}
	seccomp, err := seccompOf(context.GetSeccomp(), host.Privileged)
	host.SecurityOpt = append(host.SecurityOpt, seccomp...)
	host.SecurityOpt = append(host.SecurityOpt, apparmorOf(context.GetApparmor(), host.Privileged)...)
	host.SecurityOpt = append(host.SecurityOpt, selinuxOf(context.GetSelinuxOptions())...)
	return err
}

// seccompOf gives Docker's option; a profile of the node goes over as its text. Without a profile there is no filter, as CRI has it.
func seccompOf(profile *runtime.SecurityProfile, privileged bool) ([]string, error) {
	switch {
	case privileged || profile == nil || profile.ProfileType == runtime.SecurityProfile_Unconfined:
		return []string{seccompUnconfined}, nil
	case profile.ProfileType == runtime.SecurityProfile_RuntimeDefault:
		return nil, nil
	}
	text, err := os.ReadFile(profile.LocalhostRef)
	if err != nil {
		return nil, invalid("the seccomp profile can't be read: %v", err)
	}
	return []string{seccompOption + string(text)}, nil
}

// apparmorOf says nothing on a node whose kernel has no AppArmor.
func apparmorOf(profile *runtime.SecurityProfile, privileged bool) []string {
	if _, err := os.Stat(apparmorModule); err != nil || profile == nil || privileged {
		return nil
	}
	switch profile.ProfileType {
	case runtime.SecurityProfile_Unconfined:
		return []string{apparmorUnconfined}
	case runtime.SecurityProfile_Localhost:
		return []string{apparmorOption + profile.LocalhostRef}
	}
	return nil
}

func selinuxOf(options *runtime.SELinuxOption) []string {
	var found []string
	for _, part := range [][2]string{
		{"user", options.GetUser()}, {"role", options.GetRole()}, {"type", options.GetType()}, {"level", options.GetLevel()},
	} {
		if part[1] != "" {
			found = append(found, "label="+part[0]+":"+part[1])
		}
	}
	return found
}

// userOf gives Docker's USER[:GROUP]; empty leaves the image's.
func userOf(user, group *runtime.Int64Value, name string) (string, error) {
	text := name
	if user != nil {
		text = strconv.FormatInt(user.Value, 10)
	}
	switch {
	case group == nil:
		return text, nil
	case text == "":
		return "", invalid("a group is given without a user")
	}
	return fmt.Sprintf("%s:%d", text, group.Value), nil
}
