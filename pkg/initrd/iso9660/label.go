// Package iso9660 reads the label of an ISO 9660 volume.
package iso9660

import (
	"bytes"
	"errors"
	"io"
	"strings"
)

// Place of the primary volume descriptor and of its fields, from ECMA-119, sections 6.2.1 and 8.4, in bytes.
const (
	descriptorOffset = 16 * 2048
	labelOffset      = 40
	labelLength      = 32
)

// signature is type 1 (primary), the standard's identifier and version 1.
var signature = []byte("\x01CD001\x01")

// ErrNoVolume says that what was read is no ISO 9660 volume.
var ErrNoVolume = errors.New("no ISO 9660 volume")

// Label gives the volume's label without its padding. The error is ErrNoVolume, or that of reading.
func Label(device io.ReaderAt) (string, error) {
	descriptor := make([]byte, labelOffset+labelLength)
	if n, err := device.ReadAt(descriptor, descriptorOffset); n < len(descriptor) {
		if errors.Is(err, io.EOF) {
			return "", ErrNoVolume
		}
		return "", err
	}
	if !bytes.HasPrefix(descriptor, signature) {
		return "", ErrNoVolume
	}
	return strings.TrimRight(string(descriptor[labelOffset:]), " \x00"), nil
}
