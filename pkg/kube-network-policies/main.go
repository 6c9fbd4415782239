// kube-network-policies is the program that enforces NetworkPolicy on its node: sigs.k8s.io/kube-network-policies as a library, with
// a start of our own. The upstream one listens on every address, does not say whether it enforces anything, and goes on when it can't.
package main

import (
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"time"

	"golang.org/x/sys/unix"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/kube-network-policies/pkg/networkpolicy"
)

func main() {
	var node, address string
	var queue int
	flag.StringVar(&node, "node", "", "the name of this node in the cluster")
	flag.IntVar(&queue, "queue", 98, "the number of the netfilter queue to which first packets go (1 to 65535)")
	flag.StringVar(&address, "health", "127.0.0.1:9080", "where /readyz answers")
	flag.Parse()
	go leave()
	if err := run(context.Background(), node, queue, address); err != nil {
		fmt.Fprintln(os.Stderr, "kube-network-policies:", err)
		os.Exit(1)
	}
}

// leave ends the program at once when it is asked to. The controller would take its rules away with it, and pods would be open to all
// until the next one is up; with its rules left, packets that a policy has to judge are dropped meanwhile.
func leave() {
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, unix.SIGTERM, unix.SIGINT)
	<-asked
	os.Exit(0)
}

// run enforces policies until something fails.
func run(ctx context.Context, node string, queue int, address string) error {
	if node == "" || queue < 1 || queue > 65535 {
		return fmt.Errorf("-node has to name this node, and -queue is from 1 to 65535: got %q and %d", node, queue)
	}
	client, err := inCluster()
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	core := factory.Core().V1()
	controller, err := networkpolicy.NewController(
		client, factory.Networking().V1().NetworkPolicies(), core.Namespaces(), core.Pods(), nil, nil, nil, nil, settings(node, queue))
	if err != nil {
		return fmt.Errorf("making the controller: %w", err)
	}
	factory.Start(ctx.Done())
	failed := make(chan error, 2)
	go func() { failed <- controller.Run(ctx) }()
	go func() { failed <- health(address, queue) }()
	return fmt.Errorf("ended: %w", <-failed)
}

// settings has no workaround for netfilter's bug 1766, which Linux 6.12 does not have. NRI is not turned off, although no pod of ours
// has its socket: the library (v0.8.0) uses what it did not make then, at the first packet from no pod.
func settings(node string, queue int) networkpolicy.Config {
	return networkpolicy.Config{NodeName: node, QueueID: queue}
}

func inCluster() (*kubernetes.Clientset, error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, fmt.Errorf("finding the API server: %w", err)
	}
	config.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	config.ContentType = "application/vnd.kubernetes.protobuf"
	return kubernetes.NewForConfig(config)
}

// health answers /readyz: 200 while the kernel's queue has a listener, which is us.
func health(address string, queue int) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(answer http.ResponseWriter, _ *http.Request) {
		if err := served(queues, queue); err != nil {
			http.Error(answer, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(answer, "ok")
	})
	server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	return server.ListenAndServe()
}
