package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

const (
	kernelLog = "/dev/kmsg"
	// severity is of the kernel's errors, which every console shows whatever its level.
	severity = "<3>"
	// record is what the kernel takes at once, in bytes, with some to spare; it takes ten of them in five seconds.
	record = 900
)

// onConsoles gives a function that tells people something while the boot stands: by way of the kernel's log, which goes to every
// console, and of the step's own.
func onConsoles(log io.Writer) func(text string) {
	return func(text string) {
		fmt.Fprintln(log, "state:", text)
		file, err := os.OpenFile(kernelLog, os.O_WRONLY, 0)
		if err != nil {
			fmt.Fprintf(log, "state: the consoles can't be told: %v\n", err)
			return
		}
		defer file.Close()
		for _, part := range records("state: " + text) {
			if _, err := file.WriteString(severity + part); err != nil {
				fmt.Fprintf(log, "state: the consoles can't be told: %v\n", err)
			}
		}
	}
}

// records divides a text into parts that the kernel takes, at the ends of lines if it can be.
func records(text string) []string {
	var parts []string
	part := ""
	for _, line := range strings.Split(text, "\n") {
		line = strings.ToValidUTF8(line[:min(len(line), record)], "")
		if part != "" && len(part)+1+len(line) > record {
			parts, part = append(parts, part), ""
		}
		if part != "" {
			part += "\n"
		}
		part += line
	}
	return append(parts, part)
}
