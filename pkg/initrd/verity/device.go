// Package verity makes devices whose every block is compared with a hash before anybody reads it: the kernel's dm-verity, by the ioctls
// of device mapper (include/uapi/linux/dm-ioctl.h).
package verity

import (
	"errors"
	"fmt"
	"os"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	control = "/dev/mapper/control"
	// blockSize is that of data and of hashes, in bytes; a sector is the kernel's unit.
	blockSize, sectorSize = 4096, 512

	create, remove, suspend, load = 3, 4, 6, 9
	// readOnly and dropped are DM_READONLY_FLAG and DM_DEFERRED_REMOVE: the device goes with its last user.
	readOnly, dropped = 1 << 0, 1 << 17
	targetType        = "verity"
)

// Root is the top of a file's tree of hashes: it stands for each of so many blocks of data, behind which the tree lies.
type Root struct {
	Blocks int64  `json:"blocks"`
	Hash   string `json:"hash"`
}

// Check tells what no root can be.
func (r Root) Check() error {
	if r.Blocks <= 0 {
		return fmt.Errorf("a layer of %d blocks", r.Blocks)
	}
	if len(r.Hash) != 64 {
		return fmt.Errorf("%q is no SHA-256 digest", r.Hash)
	}
	return nil
}

// header is struct dm_ioctl.
type header struct {
	version [3]uint32
	size    uint32
	start   uint32
	targets uint32
	open    int32
	flags   uint32
	event   uint32
	_       uint32
	device  uint64
	name    [128]byte
	uuid    [129]byte
	_       [7]byte
}

// target is struct dm_target_spec; its parameters follow as text.
type target struct {
	first, length uint64
	status        int32
	next          uint32
	kind          [16]byte
}

// request is what the ioctls take: a header and, for a table, a target.
type request struct {
	header
	target
	parameters [512]byte
}

// Open gives the path of a device that reads what the device below does, a file with its hashes behind it. The caller drops it as soon
// as it is in use.
func Open(name, below string, root Root) (string, error) {
	mapper, err := os.OpenFile(control, os.O_RDWR, 0)
	if err != nil {
		return "", err
	}
	defer mapper.Close()
	made, err := call(mapper, create, name, readOnly, nil)
	if err != nil {
		return "", fmt.Errorf("making the device %s: %w", name, err)
	}
	table := table(below, root)
	if _, err := call(mapper, load, name, readOnly, &table); err != nil {
		return "", errors.Join(fmt.Errorf("the table of %s, %q: %w", name, table.text, err), drop(mapper, name))
	}
	if _, err := call(mapper, suspend, name, 0, nil); err != nil { // without DM_SUSPEND_FLAG this resumes: the table becomes the device's
		return "", errors.Join(fmt.Errorf("beginning with %s: %w", name, err), drop(mapper, name))
	}
	return "/dev/dm-" + strconv.FormatUint(uint64(unix.Minor(made.device)), 10), nil
}

// Drop has the device go with its last user, or now.
func Drop(name string) error {
	mapper, err := os.OpenFile(control, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer mapper.Close()
	return drop(mapper, name)
}

func drop(mapper *os.File, name string) error {
	_, err := call(mapper, remove, name, dropped, nil)
	return err
}

// line is one row of a device's table.
type line struct {
	sectors uint64
	text    string
}

// table gives the row of a verity device: version 1, the devices of data and of hashes, the sizes of their blocks, how many blocks of
// data there are, where the tree begins (behind its superblock), algorithm, root and salt, of which there is none.
func table(below string, root Root) line {
	return line{
		sectors: uint64(root.Blocks * blockSize / sectorSize),
		text:    fmt.Sprintf("1 %s %s %d %d %d %d sha256 %s -", below, below, blockSize, blockSize, root.Blocks, root.Blocks+1, root.Hash),
	}
}

func call(mapper *os.File, number uintptr, name string, flags uint32, row *line) (header, error) {
	asked := request{header: header{version: [3]uint32{4, 0, 0}, start: uint32(unsafe.Sizeof(header{})), flags: flags}}
	asked.size = uint32(unsafe.Sizeof(asked))
	if copy(asked.name[:len(asked.name)-1], name) < len(name) {
		return header{}, fmt.Errorf("the name %q is too long", name)
	}
	if row != nil {
		asked.targets = 1
		asked.target = target{length: row.sectors, next: uint32(unsafe.Sizeof(target{}) + uintptr(len(asked.parameters)))}
		copy(asked.kind[:], targetType)
		if copy(asked.parameters[:len(asked.parameters)-1], row.text) < len(row.text) {
			return header{}, fmt.Errorf("the table %q is too long", row.text)
		}
	}
	// _IOWR(0xfd, number, struct dm_ioctl)
	code := uintptr(3<<30|unsafe.Sizeof(header{})<<16|0xfd<<8) | number
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, mapper.Fd(), code, uintptr(unsafe.Pointer(&asked))); errno != 0 {
		return header{}, errno
	}
	return asked.header, nil
}
