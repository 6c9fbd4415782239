package main

import (
	"bytes"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/initrd/blockdev"
)

const (
	// end is what of a disk's end, in bytes, the file system leaves free: there lies the mark. It is less than what makes the file
	// system grow later.
	end = 1 << 20
	// blankPart is what of a disk's begin and end, in bytes, has to be zero before it is taken for blank.
	blankPart = 1 << 20
	markWord  = "kubeiso: being made the state disk "
	blockSize = 4096
)

// A disk whose formatting was cut short has no signature, but is not blank either. So a mark tells of it: it is on the disk before
// anything else is written, and gone before the file system is mounted for the first time. What bears it was never used.

func markOffset(size int64) int64 { return (size - end) &^ (blockSize - 1) }

// readMark gives the UUID of the file system that is being made on the device.
func readMark(device io.ReaderAt, size int64) (string, error) {
	if size < 2*end {
		return "", errNoFilesystem
	}
	block := make([]byte, blockSize)
	if _, err := device.ReadAt(block, markOffset(size)); err != nil {
		return "", err
	}
	text, _, _ := bytes.Cut(block, []byte{0})
	uuid, marked := strings.CutPrefix(string(text), markWord)
	if !marked || !uuidShape.MatchString(uuid) {
		return "", errNoFilesystem
	}
	return uuid, nil
}

// isOfMark says whether what libblkid finds is what a cut-short formatting leaves: nothing, or the file system itself. Else somebody
// has taken the disk since.
func isOfMark(found blockdev.Content, mark string, wanted wish) bool {
	return found.Blank() || found.UUID == mark && found.Label == wanted.label
}

// firstByte gives the place of the first byte at a disk's begin or end that is not zero; -1 if there is none.
func firstByte(device io.ReaderAt, size int64) (int64, error) {
	for _, offset := range []int64{0, max(size-blankPart, 0)} {
		part := make([]byte, min(blankPart, size))
		if _, err := device.ReadAt(part, offset); err != nil && !errors.Is(err, io.EOF) {
			return 0, err
		}
		if rest := bytes.TrimLeft(part, "\x00"); len(rest) > 0 {
			return offset + int64(len(part)-len(rest)), nil
		}
	}
	return -1, nil
}

// format makes the disk the state disk. After a power cut at any moment it is found again by its mark.
func (s system) format(disk finding, wanted wish) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s can't be made the state disk: %w\nnext: replace the disk; what was on it was blank", disk.path, err)
		}
	}()
	uuid := newUUID()
	if err := setMark(disk, markWord+uuid); err != nil {
		return err
	}
	// All files of a node are root's, so blocks reserved for root would only be lost.
	blocks := strconv.FormatInt(markOffset(disk.size)/blockSize, 10)
	code, err := s.run("mke2fs", "-q", "-F", "-t", "ext4", "-b", strconv.Itoa(blockSize), "-m", "0", "-L", wanted.label, "-U", uuid,
		"-E", "root_owner=0:0,lazy_itable_init=1", disk.path, blocks)
	if err != nil {
		return fmt.Errorf("mke2fs did not run: %w", err)
	}
	if code != 0 {
		return fmt.Errorf("mke2fs ended with %d", code)
	}
	return setMark(disk, "")
}

// setMark writes the mark, or removes it, and waits until the disk has it, with all that was written before.
func setMark(disk finding, text string) error {
	file, err := os.OpenFile(disk.path, os.O_WRONLY|unix.O_EXCL, 0) // of a block device: fails where it is in use
	if err != nil {
		return err
	}
	block := make([]byte, blockSize)
	copy(block, text)
	_, err = file.WriteAt(block, markOffset(disk.size))
	return errors.Join(err, file.Sync(), file.Close())
}

// newUUID gives a random one (RFC 9562, version 4).
func newUUID() string {
	data := make([]byte, uuidLength)
	_, _ = rand.Read(data) // never fails
	data[6], data[8] = data[6]&0x0f|0x40, data[8]&0x3f|0x80
	return uuidText(data)
}
