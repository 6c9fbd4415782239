package server

import (
	"context"
	"fmt"
	"io"
	"net"
	"strconv"

	"github.com/containernetworking/plugins/pkg/ns"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// runningSandbox gives the process that holds a pod's namespaces.
func (r *Runtime) runningSandbox(ctx context.Context, sandbox string) (int, error) {
	id, _, err := r.Sandboxes.Get(sandbox)
	if err != nil {
		return 0, err
	}
	pid, err := r.pid(ctx, id)
	if err == nil && pid == 0 {
		err = status.Errorf(codes.FailedPrecondition, "sandbox %s does not run", id)
	}
	return pid, err
}

// dialIn connects to a port of localhost, by IPv4 or else IPv6, as it is for a process in the same network namespace.
func dialIn(ctx context.Context, pid int, port int32) (*net.TCPConn, error) {
	var made net.Conn
	err := ns.WithNetNSPath(fmt.Sprintf("/proc/%d/ns/net", pid), func(ns.NetNS) error {
		var dialer net.Dialer
		var err error
		for _, host := range []string{"127.0.0.1", "::1"} {
			// Dialing by address starts no thread, which would be in the node's own namespace.
			if made, err = dialer.DialContext(ctx, "tcp", net.JoinHostPort(host, strconv.Itoa(int(port)))); err == nil {
				return nil
			}
		}
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("port %d of the pod: %w", port, err)
	}
	return made.(*net.TCPConn), nil
}

// join carries bytes both ways until the pod's side has said all, or ctx ends. The client's end of sending is passed on.
func join(ctx context.Context, connection *net.TCPConn, stream io.ReadWriteCloser) error {
	defer connection.Close()
	stop := context.AfterFunc(ctx, func() { _ = connection.Close() })
	defer stop()
	go func() {
		_, _ = io.Copy(connection, stream)
		_ = connection.CloseWrite()
	}()
	_, err := io.Copy(stream, connection)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}
