package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
)

const (
	// osRelease is what the medium says of itself: os-release(5).
	osRelease = "/etc/os-release"
	// layout is of what kubeiso's own programs keep on a state disk; a greater one was written by a newer kubeiso.
	layout = 1

	// Below the node's /var, whose lib/kubeadm is /etc/kubernetes. The kubelet's service has the same names (kubeadm-upgrade.sh).
	recordFile  = "lib/kubeiso/release"
	memberFile  = "lib/kubeadm/kubelet.conf"
	masterFile  = "lib/kubeadm/manifests/kube-apiserver.yaml"
	etcdData    = "lib/etcd/member/snap/db" // there without the others, a repaired disk has lost these
	upgradeFile = "lib/kubeadm/upgrading"

	unfinishedFile = "lib/kubeadm/unfinished"
)

// apiServer finds the version in a static pod's image: the tag has it.
var apiServer = regexp.MustCompile(`(?m)^\s*image:\s*\S*/kube-apiserver:v(\d\S*)`)

// version is a Kubernetes version; "" where it is not known.
type version string

// minor gives the two numbers that tell what can read whose files.
func (v version) minor() (major, minor int, known bool) {
	count, _ := fmt.Sscanf(string(v), "%d.%d", &major, &minor)
	return major, minor, count == 2
}

// short is the version without its patch: 1.37.
func (v version) short() string {
	major, minor, _ := v.minor()
	return fmt.Sprintf("%d.%d", major, minor)
}

// release is what a node image is: its own version, that of its Kubernetes, and what the node does in its cluster.
type release struct {
	image      string
	kubernetes version
	role       string
}

// readRelease reads what the medium says of itself.
func readRelease(file string) (release, error) {
	text, err := os.ReadFile(file)
	found := pairs(text)
	return release{found["IMAGE_VERSION"], version(found["VERSION_ID"]), found["VARIANT_ID"]}, err
}

// pairs reads lines KEY=VALUE.
func pairs(text []byte) map[string]string {
	found := map[string]string{}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if key, value, ok := strings.Cut(lines.Text(), "="); ok {
			found[key] = strings.Trim(value, `"`)
		}
	}
	return found
}

// history is what a state disk tells of the cluster that lies on it.
type history struct {
	layout int
	// by is what wrote it last.
	by release
	// member: the node is in a cluster; master: it has a part of the control plane.
	member, master bool
	// upgrading: the cluster has not got all of an upgrade yet.
	upgrading bool
}

// readHistory looks at a node's /var. What was written before there were records is known by the API server's image.
func readHistory(target string) (history, error) {
	text, err := os.ReadFile(filepath.Join(target, recordFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return history{}, err
	}
	found := pairs(text)
	past := history{
		by:     release{found["release"], version(found["kubernetes"]), found["role"]},
		member: exists(target, memberFile) || !begun(target) && (exists(target, masterFile) || exists(target, etcdData)),
		master: exists(target, masterFile), upgrading: exists(target, upgradeFile),
	}
	past.layout, _ = strconv.Atoi(found["layout"])
	if _, _, known := past.by.kubernetes.minor(); !known && past.master {
		manifest, err := os.ReadFile(filepath.Join(target, masterFile))
		if err != nil {
			return past, err
		}
		if tag := apiServer.FindSubmatch(manifest); tag != nil {
			past.by.kubernetes = version(tag[1])
		}
	}
	return past, nil
}

// begun tells whether a cluster is only being made, or a join under way: nothing there is worth keeping yet (kubeadm-auto.sh).
func begun(target string) bool {
	word, err := os.ReadFile(filepath.Join(target, unfinishedFile))
	return err == nil && (strings.HasPrefix(string(word), "begun") || strings.HasPrefix(string(word), "again"))
}

func exists(target, name string) bool {
	about, err := os.Stat(filepath.Join(target, name))
	return err == nil && about.Size() > 0
}

// refusal says why a medium must not go on with a node's state, and what to do; "" where it may. A patch release may be followed by
// any other of its minor version, and a minor version by the next one alone: Kubernetes' own rule for what one may write and the
// other one reads (kubernetes.io/releases/version-skew-policy).
func (past history) refusal(now release) string {
	theirs, theirMinor, known := past.by.kubernetes.minor()
	ours, ourMinor, told := now.kubernetes.minor()
	was := fmt.Sprintf("the state of a node with Kubernetes v%s", past.by.kubernetes)
	switch {
	case past.layout > layout:
		return fmt.Sprintf("the disk was written by a newer kubeiso (layout %d; this medium knows %d); next: boot the medium that wrote it",
			past.layout, layout)
	case !past.member:
		return ""
	case past.master && now.role == "worker":
		return "the disk has the state of a master, and a worker's medium has no control plane; next: boot a master's medium"
	case !known || !told:
		return ""
	case ours < theirs || ours == theirs && ourMinor < theirMinor:
		return fmt.Sprintf("the disk has %s, and this medium's v%s is older: it can't read all of it; next: boot a medium with v%s",
			was, now.kubernetes, past.by.kubernetes.short())
	case ours > theirs || ourMinor > theirMinor+1:
		return fmt.Sprintf("the disk has %s, and this medium's v%s skips a minor version; next: boot a medium with v%d.%d first",
			was, now.kubernetes, theirs, theirMinor+1)
	case ourMinor > theirMinor && past.upgrading:
		return fmt.Sprintf("the disk has %s whose upgrade is not done yet, and this medium has v%s; "+
			"next: boot a medium with v%s, until the node says that the upgrade is done", was, now.kubernetes, past.by.kubernetes.short())
	}
	return ""
}

// accept judges whether the medium may go on with the node's state on target, before anything of it is changed, and notes that it
// does. What it gives is a remark for people, or nothing.
func accept(target string, now release) (remark string, err error) {
	past, err := readHistory(target)
	if err != nil {
		return "", fmt.Errorf("what wrote the disk can't be read: %w", err)
	}
	if why := past.refusal(now); why != "" {
		return "", fmt.Errorf("%w: %s; nothing was touched", errMistake, why)
	}
	if now.kubernetes == "" {
		return "", nil
	}
	if err := remember(target, past.next(now)); err != nil { // a full disk, for one: the node can still be looked at
		return fmt.Sprintf(" (this medium could not be noted on it: %v)", err), nil
	}
	if past.member && past.by.kubernetes != "" && past.by.kubernetes != now.kubernetes {
		return fmt.Sprintf(", with what Kubernetes v%s left", past.by.kubernetes), nil
	}
	return "", nil
}

// next is what the disk says after this boot. A minor version that follows is noted by the service that brings the state forward,
// once it begins to: until then the former medium may come back.
func (past history) next(now release) release {
	if past.member && past.by.kubernetes != "" && past.by.kubernetes.short() != now.kubernetes.short() {
		now.kubernetes = past.by.kubernetes
	}
	return now
}

// remember notes on the disk what writes to it from now on. A power cut leaves the former note or the new one.
func remember(target string, by release) error {
	file := filepath.Join(target, recordFile)
	text := fmt.Sprintf("layout=%d\nrelease=%s\nkubernetes=%s\nrole=%s\n", layout, by.image, by.kubernetes, by.role)
	if before, err := os.ReadFile(file); err == nil && string(before) == text {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	if err := write(file+".new", text); err != nil {
		return errors.Join(err, os.Remove(file+".new"))
	}
	return os.Rename(file+".new", file)
}

// write makes a file whose content is on the disk once this returns.
func write(path, text string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = file.WriteString(text)
	return errors.Join(err, file.Sync(), file.Close())
}
