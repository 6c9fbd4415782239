package crash

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// Kmsg has the kernel's messages, a record for each read (Documentation/ABI/testing/dev-kmsg).
const Kmsg = "/dev/kmsg"

// pause is after a read that failed, so that a device that always fails costs nothing.
const pause = time.Second

// KeepMessages copies every message of this boot and all that come into a log, after a line that tells the boots apart. It ends only
// where the kernel's messages can't be opened.
func KeepMessages(log io.Writer, now time.Time) error {
	file, err := os.Open(Kmsg)
	if err != nil {
		return err
	}
	fmt.Fprintf(log, "---- boot at %s\n", now.UTC().Format(time.RFC3339))
	copyMessages(file, log, time.Sleep)
	return nil
}

// copyMessages ends with its source; the kernel's has no end.
func copyMessages(from io.Reader, log io.Writer, sleep func(time.Duration)) {
	record := make([]byte, 8<<10) // a record is never longer (PRINTK_MESSAGE_MAX and its dictionary)
	for {
		count, err := from.Read(record)
		switch {
		case err == nil:
			_, _ = log.Write(line(record[:count]))
		case errors.Is(err, unix.EPIPE): // the ring has gone over messages that nobody had read yet
			_, _ = io.WriteString(log, "[ messages were lost ]\n")
		case errors.Is(err, io.EOF):
			return
		default:
			sleep(pause)
		}
	}
}

// line makes "[   12.345678] text" of "6,339,12345678,-;text", and leaves out the device that may follow on further lines.
func line(record []byte) []byte {
	head, text, found := bytes.Cut(record, []byte(";"))
	fields := bytes.Split(head, []byte(","))
	if !found || len(fields) < 3 {
		return append(bytes.TrimRight(record, "\n"), '\n')
	}
	first, _, _ := bytes.Cut(text, []byte("\n"))
	micros, err := strconv.ParseInt(string(fields[2]), 10, 64)
	if err != nil {
		return append(first, '\n')
	}
	return fmt.Appendf(nil, "[%5d.%06d] %s\n", micros/1e6, micros%1e6, first)
}
