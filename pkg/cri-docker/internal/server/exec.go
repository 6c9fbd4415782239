package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/moby/moby/api/pkg/stdcopy"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
	"k8s.io/cri-streaming/pkg/streaming/remotecommand"
	"k8s.io/utils/exec"
)

const (
	// outputLimit is how much of each stream ExecSync keeps: what gRPC can carry.
	outputLimit = 7 << 20
	// codePoll and codePeriod are how often and how long Docker is asked for an exit code after the output's end.
	codePoll   = 10 * time.Millisecond
	codePeriod = 10 * time.Second
)

// streamsOf are the ends of a program's streams; nil is one that is not wanted.
type streamsOf struct {
	in       io.Reader
	out, err io.Writer
	tty      bool
	resize   <-chan remotecommand.TerminalSize
}

// ExecSync runs a program in a container and gives its output and exit code. One that takes longer than allowed is killed.
func (r *Runtime) ExecSync(ctx context.Context, request *runtime.ExecSyncRequest) (*runtime.ExecSyncResponse, error) {
	if request.Timeout > 0 {
		limited, cancel := context.WithTimeout(ctx, time.Duration(request.Timeout)*time.Second)
		defer cancel()
		ctx = limited
	}
	out, err := &bounded{}, &bounded{}
	code, failure := r.exec(ctx, request.ContainerId, request.Cmd, streamsOf{out: out, err: err})
	if ctx.Err() != nil {
		return nil, status.Errorf(codes.DeadlineExceeded, "the program took longer than %d s and was killed", request.Timeout)
	}
	if failure != nil {
		return nil, failure
	}
	return &runtime.ExecSyncResponse{Stdout: out.Bytes(), Stderr: err.Bytes(), ExitCode: int32(code)}, nil
}

// exec runs a program in a container to its end and gives its exit code. When ctx ends, it is killed.
func (r *Runtime) exec(ctx context.Context, container string, command []string, streams streamsOf) (int, error) {
	id, err := r.running(ctx, container)
	if err != nil {
		return 0, err
	}
	made, err := r.Engine.ExecCreate(ctx, id, client.ExecCreateOptions{
		Cmd: command, TTY: streams.tty, AttachStdin: streams.in != nil, AttachStdout: streams.out != nil,
		AttachStderr: streams.err != nil && !streams.tty,
	})
	if err != nil {
		return 0, err
	}
	attached, err := r.Engine.ExecAttach(ctx, made.ID, client.ExecAttachOptions{TTY: streams.tty})
	if err != nil {
		return 0, err
	}
	defer attached.Close()
	go resizing(streams.resize, func(size remotecommand.TerminalSize) {
		_, _ = r.Engine.ExecResize(ctx, made.ID, client.ExecResizeOptions{Height: uint(size.Height), Width: uint(size.Width)})
	})
	copyErr := transfer(ctx, attached.HijackedResponse, streams)
	if ctx.Err() != nil {
		r.killExec(made.ID)
		return 0, ctx.Err()
	}
	if copyErr != nil {
		return 0, copyErr
	}
	return r.exitCode(ctx, made.ID)
}

// running gives the full id of a container that runs.
func (r *Runtime) running(ctx context.Context, container string) (string, error) {
	id, _, err := r.Containers.Get(container)
	if err != nil {
		return "", err
	}
	pid, err := r.pid(ctx, id)
	if err == nil && pid == 0 {
		err = status.Errorf(codes.FailedPrecondition, "container %s does not run", id)
	}
	return id, err
}

// killExec ends a program; Docker has no call for that, but tells its process.
func (r *Runtime) killExec(id string) {
	ctx, cancel := context.WithTimeout(context.Background(), codePeriod)
	defer cancel()
	found, err := r.Engine.ExecInspect(ctx, id, client.ExecInspectOptions{})
	if err == nil && found.Running && found.PID > 1 {
		_ = unix.Kill(found.PID, unix.SIGKILL)
	}
}

// exitCode waits for the code, which may come a moment after the output's end.
func (r *Runtime) exitCode(ctx context.Context, id string) (int, error) {
	limited, cancel := context.WithTimeout(ctx, codePeriod)
	defer cancel()
	for pause := codePoll; ; pause *= 2 {
		found, err := r.Engine.ExecInspect(limited, id, client.ExecInspectOptions{})
		if err != nil || !found.Running {
			return found.ExitCode, err
		}
		select {
		case <-limited.Done():
			return 0, fmt.Errorf("the program closed its output and goes on: %w", limited.Err())
		case <-time.After(pause):
		}
	}
}

// transfer carries a program's streams until its output ends, or ctx does.
func transfer(ctx context.Context, attached client.HijackedResponse, streams streamsOf) error {
	stop := context.AfterFunc(ctx, func() { _ = attached.Conn.Close() })
	defer stop()
	if streams.in != nil {
		go func() {
			_, _ = io.Copy(attached.Conn, streams.in)
			_ = attached.CloseWrite()
		}()
	}
	if streams.tty {
		_, err := io.Copy(orNowhere(streams.out), attached.Reader)
		return err
	}
	_, err := stdcopy.StdCopy(orNowhere(streams.out), orNowhere(streams.err), attached.Reader)
	return err
}

func orNowhere(writer io.Writer) io.Writer {
	if writer == nil {
		return io.Discard
	}
	return writer
}

// resizing tells each new size of the terminal.
func resizing(sizes <-chan remotecommand.TerminalSize, tell func(remotecommand.TerminalSize)) {
	for size := range sizes {
		tell(size)
	}
}

// exitError tells the streaming server of a code that is not 0.
func exitError(code int) error {
	if code == 0 {
		return nil
	}
	return exec.CodeExitError{Err: fmt.Errorf("exit code %d", code), Code: code}
}

// bounded keeps the first bytes of what is written, and takes the rest without keeping it.
type bounded struct{ bytes.Buffer }

func (b *bounded) Write(data []byte) (int, error) {
	room := max(0, outputLimit-b.Len())
	_, _ = b.Buffer.Write(data[:min(room, len(data))])
	return len(data), nil
}
