package images

import (
	"context"
	"sync"
	"time"

	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// usageAge is how long Docker's sum of all images counts: to sum up asks for each layer.
const usageAge = time.Minute

type usage struct {
	mu    sync.Mutex
	at    time.Time
	bytes int64
}

// ImageFsInfo tells what the images take of their file system, which has the containers' own files too.
func (s *Service) ImageFsInfo(ctx context.Context, _ *runtime.ImageFsInfoRequest) (*runtime.ImageFsInfoResponse, error) {
	bytes, at, err := s.used(ctx)
	if err != nil {
		return nil, err
	}
	inodes, err := inodes(s.root)
	if err != nil {
		return nil, err
	}
	found := []*runtime.FilesystemUsage{{
		Timestamp: at.UnixNano(), FsId: &runtime.FilesystemIdentifier{Mountpoint: s.root},
		UsedBytes: &runtime.UInt64Value{Value: uint64(max(bytes, 0))}, InodesUsed: &runtime.UInt64Value{Value: inodes},
	}}
	return &runtime.ImageFsInfoResponse{ImageFilesystems: found, ContainerFilesystems: found}, nil
}

func (s *Service) used(ctx context.Context) (int64, time.Time, error) {
	s.fs.mu.Lock()
	defer s.fs.mu.Unlock()
	if time.Since(s.fs.at) < usageAge {
		return s.fs.bytes, s.fs.at, nil
	}
	found, err := s.engine.DiskUsage(ctx, client.DiskUsageOptions{Images: true})
	if err == nil {
		s.fs.bytes, s.fs.at = found.Images.TotalSize, time.Now()
	}
	return s.fs.bytes, s.fs.at, err
}

// inodes counts those that are taken on the file system of a path; Docker does not say which are of images.
func inodes(path string) (uint64, error) {
	var stat unix.Statfs_t
	err := unix.Statfs(path, &stat)
	return stat.Files - stat.Ffree, err
}
