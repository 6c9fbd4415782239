package server

import (
	"fmt"
	"strings"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// sandboxName is what `docker ps` shows, as it was with the kubelet's own dockershim.
func sandboxName(pod *runtime.PodSandboxMetadata) string {
	return fmt.Sprintf("k8s_POD_%s_%s_%s_%d", pod.GetName(), pod.GetNamespace(), pod.GetUid(), pod.GetAttempt())
}

func containerName(own *runtime.ContainerMetadata, pod *runtime.PodSandboxMetadata) string {
	return fmt.Sprintf("k8s_%s_%s_%s_%s_%d", own.GetName(), pod.GetName(), pod.GetNamespace(), pod.GetUid(), own.GetAttempt())
}

// signalName gives Docker's word for CRI's: SIGNAL_SIGTERM is SIGTERM, SIGNAL_SIGRTMINPLUS1 is SIGRTMIN+1; empty for the default.
func signalName(signal runtime.Signal) string {
	if signal == runtime.Signal_SIGNAL_RUNTIME_DEFAULT {
		return ""
	}
	name := strings.TrimPrefix(signal.String(), "SIGNAL_")
	return strings.NewReplacer("MINPLUS", "MIN+", "MAXMINUS", "MAX-").Replace(name)
}

// signalOf is the way back.
func signalOf(name string) runtime.Signal {
	word := strings.NewReplacer("MIN+", "MINPLUS", "MAX-", "MAXMINUS").Replace(strings.TrimPrefix(strings.ToUpper(name), "SIG"))
	return runtime.Signal(runtime.Signal_value["SIGNAL_SIG"+word])
}
