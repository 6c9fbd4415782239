// One program that is each of Kubernetes' programs of a node, by the name under which it is called: what they have in common,
// most of each, is there once. Compiled among the pins of each minor version.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	"k8s.io/kubectl/pkg/cmd"
	"k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	manager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubeadm "k8s.io/kubernetes/cmd/kubeadm/app"
	kubeadmerrors "k8s.io/kubernetes/cmd/kubeadm/app/util/errors"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	_ "time/tzdata" // the API server and the controller manager have time zones of CronJobs with them

	_ "k8s.io/client-go/plugin/pkg/client/auth"           // kubectl: how it proves who it is
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // metrics of requests to the API server
	_ "k8s.io/component-base/metrics/prometheus/version"  // kubernetes_build_info
)

// programs are the main functions of k8s.io/kubernetes/cmd, each of which is a few lines.
var programs = map[string]func(){
	"kube-apiserver":          served(apiserver.NewAPIServerCommand),
	"kube-controller-manager": served(manager.NewControllerManagerCommand),
	"kube-proxy":              withFlags(served(proxy.NewProxyCommand), "boot-id-file", "machine-id-file", "version"),
	"kube-scheduler":          served(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kubeadm":                 withFlags(func() { kubeadmerrors.HandleError(kubeadm.Run()) }),
	"kubectl":                 withFlags(client),
	"kubelet":                 served(func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }),
}

func main() {
	name := filepath.Base(os.Args[0])
	run, known := programs[name]
	if !known {
		fmt.Fprintf(os.Stderr, "%s: call this program by one of its names: %s\n", name, strings.Join(names(), ", "))
		os.Exit(2)
	}
	run()
}

func names() []string {
	var found []string
	for name := range programs {
		found = append(found, name)
	}
	slices.Sort(found)
	return found
}

func served(command func() *cobra.Command) func() {
	return func() { os.Exit(cli.Run(command())) }
}

// withFlags leaves of the flags that packages put into the two global sets, most of them the kubelet's cAdvisor, those alone that the
// program has when it is one of its own: it shows all that are there as its own.
func withFlags(run func(), names ...string) func() {
	return func() {
		plain, posix := flag.NewFlagSet(os.Args[0], flag.ExitOnError), pflag.NewFlagSet(os.Args[0], pflag.ExitOnError)
		flag.CommandLine.VisitAll(func(each *flag.Flag) {
			if slices.Contains(names, each.Name) {
				plain.Var(each.Value, each.Name, each.Usage)
			}
		})
		pflag.CommandLine.VisitAll(func(each *pflag.Flag) {
			if slices.Contains(names, each.Name) {
				posix.AddFlag(each)
			}
		})
		flag.CommandLine, pflag.CommandLine = plain, posix
		run()
	}
}

// client is kubectl. Its verbosity counts from the start, while plugins and .kuberc are read.
func client() {
	_, _ = logs.GlogSetter(cmd.GetLogVerbosity(os.Args))
	if err := cli.RunNoErrOutput(cmd.NewDefaultKubectlCommand()); err != nil {
		util.CheckErr(err)
	}
}
