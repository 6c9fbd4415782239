// Package screen keeps a status page on the machine's screen, for who stands in front of it: the node's name, its addresses, what it
// does, what is wrong with it and how to get in.
//
// The page is on the first virtual terminal; what the console tells goes to the third one instead, and a login, in images that have
// one, is on the second. The kernel's own messages still go to the terminal that is shown, so that a panic is seen; what else of them
// is written over the page is painted over.
package screen

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/init/internal/kmsg"
	"kubeiso.dev/pkg/init/internal/system"
	"kubeiso.dev/pkg/initrd/console"
)

const (
	terminal, messages = "tty1", "tty3"
	loginNumber        = 2
	// Sign is there while the page is: the login keeps off its terminal then.
	Sign = "/run/kubeiso/screen"
	// option of the kernel's command line: 0 leaves the screen to the console's lines.
	option = "kubeiso.screen"

	// period is how often the facts are looked at; pause is the least time between two paintings.
	period, pause = 5 * time.Second, time.Second
	// vtActivate is VT_ACTIVATE (linux/vt.h): shows the terminal of that number.
	vtActivate = 0x5606
)

// Screen shows the page. Its zero value shows nothing.
type Screen struct {
	story    *story
	degraded func() []string
	out      io.Writer
	size     func() (width, height int)
	last     []byte
}

// Open begins to show the page of the node whose console is given, where the machine has a screen; degraded gives the reasons of the
// degraded mode. Without a screen, or where the kernel's command line does not want the page, nothing is shown.
func Open(of *console.Console, degraded func() []string) *Screen {
	made := &Screen{story: newStory(), degraded: degraded}
	cmdline, _ := os.ReadFile("/proc/cmdline")
	file, err := console.OpenTerminal(filepath.Join("/dev", terminal))
	if err != nil || system.Number(string(cmdline), option, 1) == 0 {
		return made
	}
	for _, name := range []string{"tty0", terminal} { // tty0 is the terminal that is shown
		if of.Has(name) {
			_ = of.Move(name, messages)
		}
	}
	_ = os.WriteFile(Sign, nil, 0o644)
	of.Watch(made.story.take)
	made.out, made.size = file, func() (int, int) { return sizeOf(file.File()) }
	go readKeys(file)
	go made.keep(kernelMessages())
	return made
}

// Stopped says that the boot goes no further.
func (s *Screen) Stopped(why error) { s.story.stop(why) }

// keep paints the page anew whenever there is something new, or the kernel wrote over it.
func (s *Screen) keep(scribbled <-chan struct{}) {
	ticker := time.NewTicker(period)
	for dirty := true; ; {
		s.paint(dirty)
		time.Sleep(pause)
		dirty = false
		select {
		case <-s.story.changed:
		case <-ticker.C:
		case _, dirty = <-scribbled:
		}
	}
}

// paint writes the page, if it is not what is there already. Whoever stopped the terminal (Scroll Lock) stops this goroutine alone.
func (s *Screen) paint(anyhow bool) {
	width, height := s.size()
	text := render(s.page().rows(width, height), width)
	if anyhow || !bytes.Equal(text, s.last) {
		s.last = text
		_, _ = s.out.Write(text)
	}
}

func (s *Screen) page() page {
	made := page{facts: look("/"), told: s.story.told(), degraded: s.degraded()}
	if made.now.stage == "onboot" && !made.now.over {
		made.waited = console.Uptime() - made.now.at
		made.words = lastWords("/", made.now.name, maxWords)
	}
	return made
}

// render gives the bytes for a terminal (ECMA-48): from the upper left corner, each line cleared to its end, the cursor unseen. The
// last line has no end, which would scroll.
func render(rows []row, width int) []byte {
	var out bytes.Buffer
	out.WriteString("\x1b[?25l\x1b[H")
	for number, each := range rows {
		if number > 0 {
			out.WriteString("\r\n")
		}
		text := each.text
		switch {
		case number == 0:
			fmt.Fprintf(&out, "\x1b[0;7m %-*.*s\x1b[0m", width-1, width-1, text)
			continue
		case number == 1:
			text = " " + text
		default:
			fmt.Fprintf(&out, "\x1b[0;1m %-*s", margin-1, each.heading)
		}
		style := "\x1b[0m"
		if each.alarm {
			style = "\x1b[0;1;31m"
		}
		out.WriteString(style + strings.TrimRight(fmt.Sprintf("%.*s", max(0, width-1), text), " ") + "\x1b[0m\x1b[K")
	}
	out.WriteString("\x1b[J")
	return out.Bytes()
}

// sizeOf gives a terminal's columns and lines; those of a VGA card's text where it doesn't say.
func sizeOf(file *os.File) (width, height int) {
	size, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil || size.Col == 0 || size.Row == 0 {
		return 80, 25
	}
	return int(size.Col), int(size.Row)
}

// readKeys shows the login's terminal when Enter is pressed. What is typed is not echoed.
func readKeys(from *console.Terminal) {
	for ; ; time.Sleep(pause) { // it was hung up
		listen(from.File())
		_ = from.Reopen()
	}
}

func listen(file *os.File) {
	fd := int(file.Fd())
	if settings, err := unix.IoctlGetTermios(fd, unix.TCGETS); err == nil {
		settings.Lflag &^= unix.ECHO | unix.ICANON
		_ = unix.IoctlSetTermios(fd, unix.TCSETS, settings)
	}
	key := make([]byte, 16)
	for {
		count, err := file.Read(key)
		if err != nil {
			return
		}
		if bytes.ContainsAny(key[:count], "\r\n") && exists("/"+login) {
			_ = unix.IoctlSetInt(fd, vtActivate, loginNumber)
		}
	}
}

// kernelMessages gives a channel on which there is something whenever the kernel told something; one without end where it can't be
// heard.
func kernelMessages() <-chan struct{} {
	heard := make(chan struct{}, 1)
	file, err := os.Open(kmsg.Path)
	if err != nil {
		return heard
	}
	_, _ = file.Seek(0, io.SeekEnd)
	go kmsg.Follow(file, time.Sleep, func([]byte) {
		select {
		case heard <- struct{}{}:
		default:
		}
	})
	return heard
}
