// Command cri-docker lets the kubelet use a Docker engine: it serves CRI v1 on a socket.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"

	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"

	"kubeiso.dev/pkg/cri-docker/internal/images"
	"kubeiso.dev/pkg/cri-docker/internal/logs"
	"kubeiso.dev/pkg/cri-docker/internal/network"
	"kubeiso.dev/pkg/cri-docker/internal/server"
	"kubeiso.dev/pkg/cri-docker/internal/state"
	"kubeiso.dev/pkg/cri-docker/internal/stats"
)

const (
	// socketMode lets root and root's group in: who can talk to it is root on the node.
	socketMode = 0o660
	// messageLimit is what a kubelet takes in one answer (k8s.io/cri-client).
	messageLimit = 16 << 20
)

// options are what the file that -config names can say; each has a default.
type options struct {
	Listen  string `json:"listen"`  // the socket to serve CRI on
	Docker  string `json:"docker"`  // where Docker answers
	Pause   string `json:"pause"`   // the image of sandboxes
	State   string `json:"state"`   // the folder for records of pods
	CNIBin  string `json:"cniBin"`  // the folder with CNI's plugins
	CNIConf string `json:"cniConf"` // the folder with CNI's configuration
	Stream  string `json:"stream"`  // the address, of this node alone, where exec, attach and port-forward are served
	Pinned  string `json:"pinned"`  // a file with names of images that are never removed, one a line
	Images  string `json:"images"`  // a folder on the file system that has the images
}

func defaults() options {
	return options{
		Listen: "/run/cri-docker.sock", Docker: "unix:///run/docker.sock", Pause: "registry.k8s.io/pause:3.10.2",
		State: "/var/lib/cri-docker", CNIBin: "/opt/cni/bin", CNIConf: "/etc/cni/net.d", Stream: "127.0.0.1:0",
		Images: "/var/lib/containerd",
	}
}

func main() {
	log.SetFlags(log.LstdFlags | log.LUTC | log.Lmicroseconds)
	path := flag.String("config", "", "a JSON file with the options that differ from the defaults")
	flag.Parse()
	given, err := read(*path)
	if err == nil {
		err = run(given)
	}
	if err != nil {
		log.Fatalf("cri-docker: %v", err)
	}
}

// read gives the options; an unknown key is an error.
func read(path string) (options, error) {
	given := defaults()
	if path == "" {
		return given, nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return given, err
	}
	reader := json.NewDecoder(bytes.NewReader(text))
	reader.DisallowUnknownFields()
	if err := reader.Decode(&given); err != nil {
		return given, fmt.Errorf("%s: %w", path, err)
	}
	return given, nil
}

func run(given options) error {
	ctx, stop := signal.NotifyContext(context.Background(), unix.SIGTERM, unix.SIGINT)
	defer stop()
	pods, pictures, err := services(given)
	if err != nil {
		return err
	}
	listener, err := listen(given.Listen)
	if err != nil {
		return err
	}
	served := grpc.NewServer(
		grpc.UnaryInterceptor(server.Answer), grpc.MaxSendMsgSize(messageLimit), grpc.MaxRecvMsgSize(messageLimit),
	)
	runtime.RegisterRuntimeServiceServer(served, pods)
	runtime.RegisterImageServiceServer(served, pictures)
	go pods.KeepClean(ctx)
	go pictures.KeepMeasured(ctx)
	failed := make(chan error, 2)
	go func() { failed <- pods.ServeStreams() }()
	go func() { failed <- served.Serve(listener) }()
	log.Printf("serving CRI on %s", given.Listen)
	select {
	case <-ctx.Done():
		served.Stop()
		return nil
	case err := <-failed:
		return err
	}
}

// services builds both halves of CRI.
func services(given options) (*server.Runtime, *images.Service, error) {
	engine, err := client.New(client.WithHost(given.Docker))
	if err != nil {
		return nil, nil, err
	}
	pinned, err := names(given.Pinned)
	if err != nil {
		return nil, nil, err
	}
	pictures := images.New(engine, append(pinned, given.Pause), given.Images)
	parts := server.Parts{Engine: engine, Pull: pictures.Pull, Meter: stats.NewMeter(stats.Host)}
	if parts.Sandboxes, err = state.Open[state.Sandbox](filepath.Join(given.State, "sandboxes")); err != nil {
		return nil, nil, err
	}
	if parts.Containers, err = state.Open[state.Container](filepath.Join(given.State, "containers")); err != nil {
		return nil, nil, err
	}
	if parts.Network, err = network.New(given.CNIBin, given.CNIConf); err != nil {
		return nil, nil, err
	}
	if parts.Logs, err = logs.NewManager(filepath.Join(given.State, "logs")); err != nil {
		return nil, nil, err
	}
	settings := server.Settings{Pause: given.Pause, Dir: given.State, ResolvConf: "/etc/resolv.conf", Roots: stats.Host}
	pods, err := server.New(parts, settings, given.Stream)
	return pods, pictures, err
}

// names reads the lines of a file; none where no file is named, or there is none.
func names(path string) ([]string, error) {
	if path == "" {
		return nil, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return strings.Fields(string(text)), err
}

// listen makes the socket in the place of one that an earlier server left.
func listen(path string) (net.Listener, error) {
	path = strings.TrimPrefix(path, "unix://")
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	before := unix.Umask(0o777 &^ socketMode) // from its first moment on
	defer unix.Umask(before)
	listener, err := net.Listen("unix", path)
	if err != nil {
		return nil, fmt.Errorf("listening on %s: %w", path, err)
	}
	return listener, nil
}
