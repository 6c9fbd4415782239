package screen

import (
	"fmt"
	"strings"
	"time"
)

const (
	margin = 12 // columns of the headings on the left
	// maxWrong bounds the lines that one fault may take.
	maxWrong = 4
	maxWords = 8
)

// row is one line of the page: a heading on the left, or none, and a text.
type row struct {
	heading, text string
	alarm         bool
}

// page is what the screen shows.
type page struct {
	facts
	told
	degraded []string
	words    []string // of the step that is at work
	waited   time.Duration
}

// rows gives the page's lines, at most so many, each not wider than the screen. What has no room at the end is counted.
func (p page) rows(width, height int) []row {
	rows := []row{{"", strings.TrimSpace("kubeiso  " + p.name), false}, {"", p.about(), false}, {}}
	rows = append(rows, p.stage(width)...)
	rows = append(rows, p.network(width)...)
	rows = append(rows, wrap("Cluster", p.cluster(), width, maxWords, false)...)
	rows = append(rows, row{})
	wrong, ways := p.faults(width), p.waysIn(width)
	room := max(1, height-len(rows)-len(ways)-1)
	if len(wrong) > room {
		left := len(wrong) - room + 1
		wrong = append(wrong[:room-1], row{"", fmt.Sprintf("(%d lines more; all is in /var/log and on the serial console)", left), true})
	}
	rows = append(append(append(rows, wrong...), row{}), ways...)
	return rows[:min(len(rows), height)]
}

func (p page) about() string {
	if p.role == "" {
		return p.release
	}
	return p.release + ", " + p.role
}

// stage says what the node does now.
func (p page) stage(width int) []row {
	text := strings.TrimSpace(p.now.stage + " " + p.now.name)
	switch {
	case p.stopped != "":
		return wrap("Stage", "The boot stopped: no service was started.", width, maxWords, true)
	case p.ready > 0 && p.now.over:
		text = fmt.Sprintf("ready, %.0f s after the start", p.ready.Seconds())
	case p.now.stage == "":
		text = "starting"
	case !p.now.over && p.waited >= time.Minute:
		text += fmt.Sprintf(", for %d min now", int(p.waited.Minutes()))
	}
	rows := wrap("Stage", text, width, maxWords, false)
	for _, each := range p.words {
		rows = append(rows, wrap("", each, width, 2, false)...)
	}
	return rows
}

func (p page) network(width int) []row {
	var rows []row
	for _, each := range p.cards {
		text := strings.Join(each.addresses, ", ")
		if text == "" {
			text = "no address yet"
		}
		if !each.cable {
			text = "no cable"
		}
		rows = append(rows, wrap("", each.name+"  "+text+"  "+each.mac, width, 2, false)...)
	}
	if rows == nil {
		rows = []row{{"", "no network card was found", true}}
	}
	rows[0].heading = "Network"
	return rows
}

func (p page) cluster() string {
	switch {
	case p.controls:
		return "a part of the control plane of " + p.endpoint
	case p.member:
		return "a node of " + p.endpoint
	case len(p.degraded) > 0 || p.stopped != "":
		return "none: the kubelet does not run"
	case p.alone:
		return "none yet: this node makes or joins it by itself"
	case p.role == "worker":
		return "none yet: kubeadm-join.sh joins one"
	}
	return "none yet: kubeadm-init.sh makes one, kubeadm-join.sh joins one"
}

// faults says what is wrong.
func (p page) faults(width int) []row {
	var texts []string
	if p.stopped != "" {
		texts = append(texts, p.stopped)
	}
	for _, each := range p.degraded {
		texts = append(texts, "degraded, the kubelet does not run: "+each)
	}
	var rows []row
	for _, each := range append(texts, p.others()...) {
		rows = append(rows, wrap("", each, width, maxWrong, true)...)
	}
	if rows == nil {
		return []row{{"Faults", "none", false}}
	}
	rows[0].heading = "Faults"
	return rows
}

// others are the faults that are not the reasons of the degraded mode, which says more.
func (p page) others() (rest []string) {
	for _, each := range p.wrong {
		if !strings.HasPrefix(each, "degraded") && !p.isReason(each) {
			rest = append(rest, each)
		}
	}
	return rest
}

func (p page) isReason(fault string) bool {
	for _, each := range p.degraded {
		if strings.Contains("onboot "+each, fault) || strings.Contains(fault, each) {
			return true
		}
	}
	return false
}

// waysIn says how a person gets in.
func (p page) waysIn(width int) []row {
	var ssh, here string
	switch address := p.address(); {
	case p.stopped != "":
		ssh = "SSH: not started"
	case p.user == "":
		ssh = "SSH: no keys (ssh_authorized_keys in the metadata's user-data)"
	case address == "":
		ssh = "SSH: no address yet"
	default:
		ssh = "ssh " + p.user + "@" + address
	}
	here = "this image has no login on its consoles"
	if p.login && p.stopped == "" {
		here = "Enter or Alt-F2: a shell here; Alt-F1: back to this page"
	}
	rows := wrap("Ways in", ssh, width, 2, false)
	rows = append(rows, wrap("", here, width, 2, false)...)
	return append(rows, wrap("", "Alt-F3: what the node tells; power button or Ctrl-Alt-Del: stop", width, 2, false)...)
}

// address is the first one, without its network's length.
func (p page) address() string {
	for _, each := range p.cards {
		for _, address := range each.addresses {
			text, _, _ := strings.Cut(address, "/")
			return text
		}
	}
	return ""
}

// wrap breaks a text into rows of the screen's width, at blanks where it can; the last of too many ends with dots.
func wrap(heading, text string, width, most int, alarm bool) (rows []row) {
	room, rest := max(8, width-margin-1), []rune(plain(text))
	for len(rest) > room && len(rows) < most-1 {
		cut := room
		for at := room; at > room/2; at-- {
			if rest[at] == ' ' {
				cut = at
				break
			}
		}
		rows = append(rows, row{heading, string(rest[:cut]), alarm})
		heading, rest = "", []rune(strings.TrimLeft(string(rest[cut:]), " "))
	}
	if len(rest) > room {
		rest = append(rest[:room-3], '.', '.', '.')
	}
	return append(rows, row{heading, string(rest), alarm})
}

// plain has nothing in it that moves a terminal's cursor.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return ' '
		case r < ' ' || r >= 0x7f:
			return '?'
		}
		return r
	}, text)
}
