package main

import (
	"cmp"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
)

// What cloud-init does once for an instance lies here, for pkg/kubelet's instance.sh: its id, files elsewhere than below /run/config,
// and commands.
const (
	instanceFolder = "instance"
	idFile         = instanceFolder + "/id"
	filesFolder    = instanceFolder + "/files"
	appendFolder   = instanceFolder + "/append"
	bootScript     = instanceFolder + "/boot"
	beforeScript   = instanceFolder + "/before"
	afterScript    = instanceFolder + "/after"
)

// kubeadmCall is a command that runs kubeadm with a file that the metadata give.
type kubeadmCall struct {
	verb      string
	config    entry
	arguments []string
}

// commands reads cloud-init's bootcmd and runcmd. A kubeadm with a file of the same metadata (as Cluster API's bootstrap provider has
// it) is not run as it stands: the node forms or joins its cluster by its own means, again and again until it succeeds. The commands
// before it come before that, those behind it come after it has succeeded.
func (w *wanted) commands(keys *fields) {
	boot, given := keys.take("bootcmd")
	if given {
		w.script(bootScript, w.lines(boot))
	}
	run, given := keys.take("runcmd")
	if !given {
		return
	}
	lines := w.lines(run)
	before, after, found := lines, []string(nil), false
	for i, line := range lines {
		call, rest, is := w.kubeadm(line)
		if !is {
			continue
		}
		before, after, found = lines[:i], lines[i+1:], true
		if rest != "" {
			after = append([]string{rest}, after...)
		}
		w.fault(w.form(call))
		break
	}
	w.script(beforeScript, before)
	if found {
		w.script(afterScript, after)
	}
}

// lines are commands as lines for a shell: a text is one already, a list has its words.
func (w *wanted) lines(at value) []string {
	return eachOf(w, at, func(each value) (string, error) {
		if !each.isList() {
			return each.text()
		}
		words, err := each.texts()
		for i, word := range words {
			words[i] = "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
		}
		return strings.Join(words, " "), err
	})
}

// script adds a script of these lines; none without any.
func (w *wanted) script(path string, lines []string) {
	if len(lines) == 0 {
		return
	}
	text := "#!/bin/sh\n" + strings.Join(lines, "\n") + "\n"
	w.fault(w.entries.add(path, entry{content: text, mode: 0o700, from: userDataFile}))
}

// kubeadm reads `kubeadm init|join --config FILE ... [&& MORE]` where FILE is one of the metadata.
func (w *wanted) kubeadm(line string) (call kubeadmCall, rest string, is bool) {
	command, rest, _ := strings.Cut(line, "&&")
	words := strings.Fields(command)
	if len(words) < 2 || words[0] != "kubeadm" || (words[1] != "init" && words[1] != "join") || strings.ContainsAny(command, ";|&<>$`'\"\\") {
		return kubeadmCall{}, "", false
	}
	call = kubeadmCall{verb: words[1]}
	file := ""
	for i := 2; i < len(words); i++ {
		value, joined := strings.CutPrefix(words[i], "--config=")
		switch {
		case joined:
			file = value
		case words[i] == "--config" && i+1 < len(words):
			i++
			file = words[i]
		default:
			call.arguments = append(call.arguments, words[i])
		}
	}
	call.config, is = w.entries.made[filesFolder+file]
	return call, strings.TrimSpace(rest), is && strings.HasPrefix(file, "/")
}

// form makes the node's own orders of a call of kubeadm (pkg/kubelet's kubeadm-auto.sh).
func (w *wanted) form(call kubeadmCall) error {
	config, err := w.image.merged(call.verb, call.config)
	if err != nil {
		return err
	}
	order := entry{content: strings.Join(call.arguments, " "), mode: 0o600, from: userDataFile}
	if err := w.entries.add("kubeadm/"+call.verb, order); err != nil {
		return err
	}
	return w.entries.add("kubeadm/kubeadm.yaml", entry{content: config, mode: 0o600, from: userDataFile})
}

// identify says which instance it is that files and commands were meant for: what is done is done once for each.
func (w *wanted) identify(files map[string][]byte) {
	asked := slices.ContainsFunc(
		[]string{filesFolder, appendFolder, bootScript, beforeScript, afterScript},
		func(path string) bool {
			_, made := w.entries.made[path]
			_, holds := w.entries.holding[path]
			return made || holds
		})
	if asked {
		id := cmp.Or(w.variables["instance_id"], fmt.Sprintf("sha256:%x", sha256.Sum256(files[userDataFile])))
		w.fault(w.entries.add(idFile, entry{content: id + "\n", mode: 0o644, from: metaDataFile}))
	}
}
