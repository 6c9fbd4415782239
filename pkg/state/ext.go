package main

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
)

// Place of the superblock and of its fields, from "ext4 Data Structures and Algorithms" in the kernel's documentation, in
// bytes. All numbers are little-endian.
const (
	superblockOffset = 1024
	superblockLength = 0x154
	blocksLow        = 0x4
	logBlockSize     = 0x18
	magicOffset      = 0x38
	incompatOffset   = 0x60
	labelOffset      = 0x78
	labelLength      = 16
	blocksHigh       = 0x150

	magic        = 0xEF53
	incompat64   = 0x80
	smallestLog  = 10
	largestShift = 6 // 64 KiB
)

// filesystem is what an ext2, ext3 or ext4 file system says of itself. The size is in bytes.
type filesystem struct {
	label string
	size  int64
}

// errNoFilesystem says that what was read is no such file system.
var errNoFilesystem = errors.New("no ext4 file system")

// readFilesystem reads the superblock. The error is errNoFilesystem, or that of reading.
func readFilesystem(device io.ReaderAt) (filesystem, error) {
	block := make([]byte, superblockLength)
	if n, err := device.ReadAt(block, superblockOffset); n < len(block) {
		if errors.Is(err, io.EOF) {
			return filesystem{}, errNoFilesystem
		}
		return filesystem{}, err
	}
	number := func(offset int) int64 { return int64(binary.LittleEndian.Uint32(block[offset:])) }
	if binary.LittleEndian.Uint16(block[magicOffset:]) != magic || number(logBlockSize) > largestShift {
		return filesystem{}, errNoFilesystem
	}
	blocks := number(blocksLow)
	if number(incompatOffset)&incompat64 != 0 {
		blocks |= number(blocksHigh) << 32
	}
	label, _, _ := bytes.Cut(block[labelOffset:labelOffset+labelLength], []byte{0})
	return filesystem{string(label), blocks << (smallestLog + number(logBlockSize))}, nil
}
