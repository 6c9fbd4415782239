package server

import (
	"context"
	"io"

	"github.com/moby/moby/client"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
)

// Exec gives the URL at which a program in a container can be talked to.
func (r *Runtime) Exec(ctx context.Context, request *runtime.ExecRequest) (*runtime.ExecResponse, error) {
	if _, err := r.running(ctx, request.ContainerId); err != nil {
		return nil, err
	}
	return r.streams.GetExec(request)
}

// Attach gives the URL at which a container's first process can be talked to.
func (r *Runtime) Attach(ctx context.Context, request *runtime.AttachRequest) (*runtime.AttachResponse, error) {
	if _, err := r.running(ctx, request.ContainerId); err != nil {
		return nil, err
	}
	return r.streams.GetAttach(request)
}

// PortForward gives the URL at which ports of a pod can be reached.
func (r *Runtime) PortForward(ctx context.Context, request *runtime.PortForwardRequest) (*runtime.PortForwardResponse, error) {
	if _, err := r.runningSandbox(ctx, request.PodSandboxId); err != nil {
		return nil, err
	}
	return r.streams.GetPortForward(request)
}

// streamer does what the streaming server is asked for.
type streamer struct{ *Runtime }

// Exec runs a program for a client.
func (s streamer) Exec(
	ctx context.Context, container string, command []string, in io.Reader, out, err io.WriteCloser, tty bool,
	resize <-chan remotecommand.TerminalSize,
) error {
	code, failure := s.exec(ctx, container, command, streamsFor(in, out, err, tty, resize))
	if failure != nil {
		return failure
	}
	return exitError(code)
}

// Attach joins a client to a container's first process.
func (s streamer) Attach(
	ctx context.Context, container string, in io.Reader, out, err io.WriteCloser, tty bool,
	resize <-chan remotecommand.TerminalSize,
) error {
	id, failure := s.running(ctx, container)
	if failure != nil {
		return failure
	}
	attached, failure := s.Engine.ContainerAttach(ctx, id, client.ContainerAttachOptions{
		Stream: true, Stdin: in != nil, Stdout: out != nil, Stderr: err != nil,
	})
	if failure != nil {
		return failure
	}
	defer attached.Close()
	go resizing(resize, func(size remotecommand.TerminalSize) {
		_, _ = s.Engine.ContainerResize(ctx, id, client.ContainerResizeOptions{Height: uint(size.Height), Width: uint(size.Width)})
	})
	return transfer(ctx, attached.HijackedResponse, streamsFor(in, out, err, tty, resize))
}

// PortForward joins a client to a port in a pod's network namespace.
func (s streamer) PortForward(ctx context.Context, sandbox string, port int32, stream io.ReadWriteCloser) error {
	pid, err := s.runningSandbox(ctx, sandbox)
	if err != nil {
		return err
	}
	connection, err := dialIn(ctx, pid, port)
	if err != nil {
		return err
	}
	return join(ctx, connection, stream)
}

// streamsFor leaves out what is nil, which an interface that holds a nil would hide.
func streamsFor(in io.Reader, out, err io.WriteCloser, tty bool, resize <-chan remotecommand.TerminalSize) streamsOf {
	streams := streamsOf{in: in, tty: tty, resize: resize}
	if out != nil {
		streams.out = out
	}
	if err != nil {
		streams.err = err
	}
	return streams
}
