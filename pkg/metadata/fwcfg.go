package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// fwcfgFolder is below /sys: QEMU's firmware configuration, by the names that users gave (Documentation/ABI/testing/sysfs-firmware-qemu_fw_cfg).
const fwcfgFolder = "firmware/qemu_fw_cfg/by_name/opt/org.kubeiso"

// readFirmware reads NoCloud's files from QEMU's command line: -fw_cfg name=opt/org.kubeiso/user-data,file=FILE. Without any there is
// nothing, and no error.
func readFirmware(sys string) (held contents, found bool) {
	held = contents{source: "fw_cfg opt/org.kubeiso", files: map[string][]byte{}}
	for _, name := range volumeFiles {
		text, err := readFile(filepath.Join(sys, fwcfgFolder, name, "raw"))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			held.faults = append(held.faults, fmt.Errorf("%s: %w", name, err))
		default:
			held.files[name] = text
		}
	}
	return held, len(held.files) > 0 || held.faults != nil
}
