package crash

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"time"

	"kubeiso.dev/pkg/init/internal/kmsg"
)

// KeepMessages copies every message of this boot and all that come into a log, after a line that tells the boots apart. It ends only
// where the kernel's messages can't be opened.
func KeepMessages(log io.Writer, now time.Time) error {
	file, err := os.Open(kmsg.Path)
	if err != nil {
		return err
	}
	fmt.Fprintf(log, "---- boot at %s\n", now.UTC().Format(time.RFC3339))
	copyMessages(file, log, time.Sleep)
	return nil
}

// copyMessages ends with its source.
func copyMessages(from io.Reader, log io.Writer, sleep func(time.Duration)) {
	kmsg.Follow(from, sleep, func(record []byte) {
		if record == nil {
			record = []byte("[ messages were lost ]")
		}
		_, _ = log.Write(line(record))
	})
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
