// Package state keeps what Docker does not know of a pod: the configurations that the kubelet gave, one file for each
// sandbox and container. Docker's labels would hold them too, but every event and inspection would then repeat them.
package state

import (
	"encoding/json"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// Sandbox is the record of a pod's sandbox.
type Sandbox struct {
	Config  *runtime.PodSandboxConfig
	Handler string
	Created int64 // nanoseconds since 1970
	IPs     []string
	// Networked is true from before its network is asked for until that is taken back.
	Networked bool
	// Made is false from the making of its container until all of it, the network too, is there.
	Made bool
	// Stopped is true once its network is gone; it never runs again.
	Stopped bool
}

// Container is the record of a container.
type Container struct {
	Sandbox string
	Config  *runtime.ContainerConfig
	ImageID string
	// ImageRef is the image's name with a digest, or its id where it has none.
	ImageRef string
	LogPath  string // absolute; empty for a container without log
	Created  int64  // nanoseconds since 1970
	// StartError is why it could not be started; it then counts as ended.
	StartError string
	StartedAt  int64 // nanoseconds since 1970 of the attempt that failed
}

// The configurations are protocol buffers, which have a JSON form of their own.
type sandboxFile struct {
	Config  json.RawMessage `json:"config"`
	Handler string          `json:"handler,omitempty"`
	Created int64           `json:"created"`
	IPs     []string        `json:"ips,omitempty"`
	Net     bool            `json:"networked"`
	Made    bool            `json:"made"`
	Stopped bool            `json:"stopped"`
}

type containerFile struct {
	Sandbox    string          `json:"sandbox"`
	Config     json.RawMessage `json:"config"`
	ImageID    string          `json:"imageID"`
	ImageRef   string          `json:"imageRef"`
	LogPath    string          `json:"logPath,omitempty"`
	Created    int64           `json:"created"`
	StartError string          `json:"startError,omitempty"`
	StartedAt  int64           `json:"startedAt,omitempty"`
}

// MarshalJSON gives the file's text.
func (s Sandbox) MarshalJSON() ([]byte, error) {
	config, err := protojson.Marshal(s.Config)
	if err != nil {
		return nil, err
	}
	return json.Marshal(sandboxFile{config, s.Handler, s.Created, s.IPs, s.Networked, s.Made, s.Stopped})
}

// UnmarshalJSON reads the file's text.
func (s *Sandbox) UnmarshalJSON(text []byte) error {
	var file sandboxFile
	config := &runtime.PodSandboxConfig{}
	if err := read(text, &file, func() json.RawMessage { return file.Config }, config); err != nil {
		return err
	}
	*s = Sandbox{config, file.Handler, file.Created, file.IPs, file.Net, file.Made, file.Stopped}
	return nil
}

// MarshalJSON gives the file's text.
func (c Container) MarshalJSON() ([]byte, error) {
	config, err := protojson.Marshal(c.Config)
	if err != nil {
		return nil, err
	}
	return json.Marshal(containerFile{
		c.Sandbox, config, c.ImageID, c.ImageRef, c.LogPath, c.Created, c.StartError, c.StartedAt,
	})
}

// UnmarshalJSON reads the file's text.
func (c *Container) UnmarshalJSON(text []byte) error {
	var file containerFile
	config := &runtime.ContainerConfig{}
	if err := read(text, &file, func() json.RawMessage { return file.Config }, config); err != nil {
		return err
	}
	*c = Container{
		file.Sandbox, config, file.ImageID, file.ImageRef, file.LogPath, file.Created, file.StartError, file.StartedAt,
	}
	return nil
}

// read fills file from text, and config from the part of file that holds it. Fields of a later version are passed over.
func read(text []byte, file any, part func() json.RawMessage, config proto.Message) error {
	if err := json.Unmarshal(text, file); err != nil {
		return err
	}
	return protojson.UnmarshalOptions{DiscardUnknown: true}.Unmarshal(part(), config)
}
