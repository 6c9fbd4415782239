package server

import (
	"context"
	"errors"
	"log"

	"github.com/containerd/errdefs"
	"github.com/containerd/errdefs/pkg/errgrpc"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"kubeiso.dev/pkg/cri-docker/internal/state"
)

// Answer is a gRPC interceptor: errors get the codes that the kubelet looks at, and those that are no answer are logged.
func Answer(ctx context.Context, request any, info *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	answer, err := handler(ctx, request)
	if err == nil {
		return answer, nil
	}
	err = coded(err)
	if status.Code(err) != codes.NotFound {
		log.Printf("%s: %v", info.FullMethod, err)
	}
	return nil, err
}

// coded gives an error the gRPC code that fits.
func coded(err error) error {
	if _, done := status.FromError(err); done {
		return err
	}
	if errors.Is(err, state.ErrNotFound) {
		return status.Error(codes.NotFound, err.Error())
	}
	return errgrpc.ToGRPC(err)
}

// gone says whether what was looked for is not there, as a record or as Docker's container.
func gone(err error) bool { return errors.Is(err, state.ErrNotFound) || errdefs.IsNotFound(err) }

func invalid(format string, arguments ...any) error {
	return status.Errorf(codes.InvalidArgument, format, arguments...)
}
