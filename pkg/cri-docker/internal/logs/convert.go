// Package logs copies what Docker logs of a container into the file that the kubelet wants, line by line, in CRI's form.
//
// Docker's own file (its driver json-file) stays what `docker logs` reads. Kubelets still understand its lines, but log shippers,
// critest and the kubelet's rotation want CRI's: TIME STREAM TAG TEXT (k8s.io/cri-api, ContainerConfig.log_path).
package logs

import (
	"bytes"
	"encoding/json"
)

// line is one line of Docker's file (github.com/moby/moby/v2, daemon/logger/jsonfilelog/jsonlog).
type line struct {
	Log    string `json:"log"`
	Stream string `json:"stream"`
	Time   string `json:"time"`
}

// Tags of CRI's lines: a text whose end comes in a later line, and one that is whole.
const (
	tagPartial = 'P'
	tagFull    = 'F'
)

// appendCRI appends CRI's line for one of Docker's. A line that is none, as the end of a file after a power cut, adds nothing.
func appendCRI(to, docker []byte) []byte {
	var read line
	if json.Unmarshal(docker, &read) != nil || read.Time == "" {
		return to
	}
	text, tag := bytes.CutSuffix([]byte(read.Log), []byte("\n"))
	to = append(to, read.Time...)
	to = append(to, ' ')
	to = append(to, read.Stream...)
	to = append(to, ' ', tagOf(tag), ' ')
	to = append(to, text...)
	return append(to, '\n')
}

func tagOf(whole bool) byte {
	if whole {
		return tagFull
	}
	return tagPartial
}

// convert gives CRI's lines for the whole lines at the beginning of chunk, and how many bytes of chunk they were.
func convert(chunk []byte) (lines []byte, used int) {
	for {
		end := bytes.IndexByte(chunk[used:], '\n')
		if end < 0 {
			return lines, used
		}
		lines = appendCRI(lines, chunk[used:used+end])
		used += end + 1
	}
}
