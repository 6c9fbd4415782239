package images

import (
	"context"
	"log"
	"sync"
	"time"

	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

const (
	// usagePeriod is how long Docker's sum of all images counts: to sum up asks for each layer.
	usagePeriod = time.Minute
	// usageWait is how long the first sum is waited for: kubeadm gives a runtime 2 s for an answer.
	usageWait = time.Second
)

// usage is what the images take, as last summed up.
type usage struct {
	first chan struct{} // closed with the first sum

	mu    sync.Mutex
	at    time.Time
	bytes int64
}

// KeepMeasured sums up what the images take, from time to time, until ctx ends. It is Docker's slowest call, so nobody waits
// for it.
func (s *Service) KeepMeasured(ctx context.Context) {
	for {
		if err := s.measure(ctx); err != nil && ctx.Err() == nil {
			log.Printf("what images take: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(usagePeriod):
		}
	}
}

func (s *Service) measure(ctx context.Context) error {
	found, err := s.engine.DiskUsage(ctx, client.DiskUsageOptions{Images: true})
	if err != nil {
		return err
	}
	s.fs.mu.Lock()
	defer s.fs.mu.Unlock()
	if s.fs.at.IsZero() {
		close(s.fs.first)
	}
	s.fs.bytes, s.fs.at = found.Images.TotalSize, time.Now()
	return nil
}

// ImageFsInfo tells what the images take of their file system, which has the containers' own files too: the last sum, with the
// time that it is from. Before the first one it is 0, from the beginning of the server's time.
func (s *Service) ImageFsInfo(ctx context.Context, _ *runtime.ImageFsInfoRequest) (*runtime.ImageFsInfoResponse, error) {
	select {
	case <-s.fs.first:
	case <-time.After(usageWait):
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	inodes, err := inodes(s.root)
	if err != nil {
		return nil, err
	}
	bytes, at := s.used()
	found := []*runtime.FilesystemUsage{{
		Timestamp: at.UnixNano(), FsId: &runtime.FilesystemIdentifier{Mountpoint: s.root},
		UsedBytes: &runtime.UInt64Value{Value: uint64(max(bytes, 0))}, InodesUsed: &runtime.UInt64Value{Value: inodes},
	}}
	return &runtime.ImageFsInfoResponse{ImageFilesystems: found, ContainerFilesystems: found}, nil
}

func (s *Service) used() (int64, time.Time) {
	s.fs.mu.Lock()
	defer s.fs.mu.Unlock()
	if s.fs.at.IsZero() {
		return 0, s.begun
	}
	return s.fs.bytes, s.fs.at
}

// inodes counts those that are taken on the file system of a path; Docker does not say which are of images.
func inodes(path string) (uint64, error) {
	var stat unix.Statfs_t
	err := unix.Statfs(path, &stat)
	return stat.Files - stat.Ffree, err
}
