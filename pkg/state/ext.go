package main

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
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
	groupOffset      = 0x5A
	incompatOffset   = 0x60
	uuidOffset       = 0x68
	uuidLength       = 16
	labelOffset      = 0x78
	labelLength      = 16
	blocksHigh       = 0x150

	magic        = 0xEF53
	incompat64   = 0x80
	smallestLog  = 10
	largestShift = 6 // 64 KiB
)

// copies are where the first copy of a superblock lies, which e2fsck takes when the superblock itself is no good: for blocks of
// 1, 2 and 4 KiB, with as many blocks in a group as one block of bits can count.
var copies = []int64{8193 << 10, 16384 << 11, 32768 << 12}

// filesystem is what an ext2, ext3 or ext4 file system says of itself. The size is in bytes.
type filesystem struct {
	label, uuid string
	size        int64
}

// errNoFilesystem says that what was read is no such file system.
var errNoFilesystem = errors.New("no ext4 file system")

// readFilesystem reads the superblock. The error is errNoFilesystem, or that of reading.
func readFilesystem(device io.ReaderAt) (filesystem, error) {
	return readSuperblock(device, superblockOffset, 0)
}

// readCopy reads the first copy of the superblock of a file system that lost its own. The error is as that of readFilesystem.
func readCopy(device io.ReaderAt) (filesystem, error) {
	for _, offset := range copies {
		found, err := readSuperblock(device, offset, 1)
		if !errors.Is(err, errNoFilesystem) {
			return found, err
		}
	}
	return filesystem{}, errNoFilesystem
}

// readSuperblock reads the one of that group of blocks.
func readSuperblock(device io.ReaderAt, offset int64, group uint16) (filesystem, error) {
	block := make([]byte, superblockLength)
	if n, err := device.ReadAt(block, offset); n < len(block) {
		if errors.Is(err, io.EOF) {
			return filesystem{}, errNoFilesystem
		}
		return filesystem{}, err
	}
	number := func(offset int) int64 { return int64(binary.LittleEndian.Uint32(block[offset:])) }
	word := func(offset int) uint16 { return binary.LittleEndian.Uint16(block[offset:]) }
	if word(magicOffset) != magic || number(logBlockSize) > largestShift || word(groupOffset) != group {
		return filesystem{}, errNoFilesystem
	}
	blocks := number(blocksLow)
	if number(incompatOffset)&incompat64 != 0 {
		blocks |= number(blocksHigh) << 32
	}
	label, _, _ := bytes.Cut(block[labelOffset:labelOffset+labelLength], []byte{0})
	return filesystem{string(label), uuidText(block[uuidOffset:]), blocks << (smallestLog + number(logBlockSize))}, nil
}

// uuidText writes 16 bytes as people write a UUID.
func uuidText(data []byte) string {
	text := hex.EncodeToString(data[:uuidLength])
	return text[:8] + "-" + text[8:12] + "-" + text[12:16] + "-" + text[16:20] + "-" + text[20:]
}
