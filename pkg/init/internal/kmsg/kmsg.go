// Package kmsg follows the kernel's messages (Documentation/ABI/testing/dev-kmsg).
package kmsg

import (
	"errors"
	"io"
	"time"

	"golang.org/x/sys/unix"
)

// Path has the messages, a record for each read.
const Path = "/dev/kmsg"

// longest is more than a record ever has, in bytes (PRINTK_MESSAGE_MAX and its dictionary).
const longest = 8 << 10

// pause is after a read that failed, so that a device that always fails costs nothing.
const pause = time.Second

// Follow hands on each record, or nil where the ring has gone over some that nobody had read yet. It ends with its source; the
// kernel's has no end.
func Follow(from io.Reader, sleep func(time.Duration), take func(record []byte)) {
	record := make([]byte, longest)
	for {
		count, err := from.Read(record)
		switch {
		case err == nil:
			take(record[:count])
		case errors.Is(err, unix.EPIPE):
			take(nil)
		case errors.Is(err, io.EOF):
			return
		default:
			sleep(pause)
		}
	}
}
