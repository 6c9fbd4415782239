package main

import (
	"encoding/binary"
	"errors"
	"io"
	"strings"
)

// errNoFAT says that what was read is no FAT file system.
var errNoFAT = errors.New("no FAT file system")

// Fields of the boot sector and of the root folder's entries, from Microsoft's "FAT: General Overview of On-Disk Format".
const (
	sectorSize        = 512
	bytesPerSector    = 11
	sectorsPerCluster = 13
	reservedSectors   = 14
	numberOfFATs      = 16
	rootEntries       = 17
	mediaByte         = 21
	fatSize16         = 22
	fatSize32         = 36
	rootCluster       = 44
	bootLabel16       = 43
	bootLabel32       = 71
	bootSignature     = 510

	labelLength   = 11
	entrySize     = 32
	attributes    = 11
	attributeMask = 0x3f
	isLabel       = 0x08
	isLongName    = 0x0f
	deleted       = 0xe5
	// maxRoot bounds how much of the root folder is searched, in bytes.
	maxRoot = 64 << 10
)

// fatLabel gives the label of a FAT file system: the one in its root folder, which is what systems write when a volume gets
// another name, else the one in the boot sector. Of FAT32's root folder only the first cluster is searched.
func fatLabel(device io.ReaderAt) (string, error) {
	boot := make([]byte, sectorSize)
	if n, err := device.ReadAt(boot, 0); n < len(boot) {
		if errors.Is(err, io.EOF) {
			return "", errNoFAT
		}
		return "", err
	}
	if !isFAT(boot) {
		return "", errNoFAT
	}
	begin, size, inBoot := rootFolder(boot)
	folder := make([]byte, min(size, maxRoot))
	n, err := device.ReadAt(folder, begin)
	if n < len(folder) && !errors.Is(err, io.EOF) {
		return "", err
	}
	if label := labelEntry(folder[:n]); label != "" {
		return label, nil
	}
	return strings.TrimRight(string(boot[inBoot:inBoot+labelLength]), " \x00"), nil
}

// isFAT checks what all FAT file systems have in common and other boot sectors have not.
func isFAT(boot []byte) bool {
	sector, cluster := binary.LittleEndian.Uint16(boot[bytesPerSector:]), boot[sectorsPerCluster]
	media, fats := boot[mediaByte], boot[numberOfFATs]
	return boot[bootSignature] == 0x55 && boot[bootSignature+1] == 0xaa &&
		sector >= 512 && sector <= 4096 && sector&(sector-1) == 0 && cluster != 0 && cluster&(cluster-1) == 0 &&
		(fats == 1 || fats == 2) && (media == 0xf0 || media >= 0xf8) && binary.LittleEndian.Uint16(boot[reservedSectors:]) != 0
}

// rootFolder gives the place and size of the root folder in bytes, and where in the boot sector a label is.
func rootFolder(boot []byte) (begin, size int64, label int) {
	u16 := func(at int) int64 { return int64(binary.LittleEndian.Uint16(boot[at:])) }
	u32 := func(at int) int64 { return int64(binary.LittleEndian.Uint32(boot[at:])) }
	sector, fats := u16(bytesPerSector), int64(boot[numberOfFATs])
	if length := u16(fatSize16); length != 0 {
		return (u16(reservedSectors) + fats*length) * sector, u16(rootEntries) * entrySize, bootLabel16
	}
	cluster := int64(boot[sectorsPerCluster]) * sector
	data := (u16(reservedSectors) + fats*u32(fatSize32)) * sector
	return data + max(u32(rootCluster)-2, 0)*cluster, cluster, bootLabel32
}

// labelEntry gives the label in a root folder, or nothing.
func labelEntry(folder []byte) string {
	for ; len(folder) >= entrySize && folder[0] != 0; folder = folder[entrySize:] {
		kind := folder[attributes] & attributeMask
		if folder[0] != deleted && kind != isLongName && kind&isLabel != 0 {
			return strings.TrimRight(string(folder[:labelLength]), " ")
		}
	}
	return ""
}
