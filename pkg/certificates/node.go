package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	kubernetes  = "etc/kubernetes"
	pki         = kubernetes + "/pki"
	kubeletConf = kubernetes + "/kubelet.conf"
	// memory is forgotten with each boot, after which nothing knows an old certificate.
	memory = "run/certificates"
)

// pairs are kubeadm's certificates with a key beside them, and their authorities ("PKI certificates and requirements" in Kubernetes'
// documentation).
var pairs = []struct{ name, authority string }{
	{"apiserver", "ca"},
	{"apiserver-kubelet-client", "ca"},
	{"apiserver-etcd-client", "etcd/ca"},
	{"front-proxy-client", "front-proxy-ca"},
	{"etcd/server", "etcd/ca"},
	{"etcd/peer", "etcd/ca"},
	{"etcd/healthcheck-client", "etcd/ca"},
}

var kubeconfigs = []string{"admin.conf", "super-admin.conf", "controller-manager.conf", "scheduler.conf"}

var authorities = []string{"ca", "etcd/ca", "front-proxy-ca"}

// node is the node whose files are below root.
type node struct {
	root string
	now  func() time.Time
	log  io.Writer
	// report tells people something; nil: by init (`service report`).
	report func(words ...string)
	// limit bounds the wait for a part of the control plane; zero: restartLimit.
	limit time.Duration
}

func (n node) path(name string) string { return filepath.Join(n.root, name) }

// keep renews what is due. With restart, what knows old certificates is started anew then, or after an earlier run that did not.
func (n node) keep(restart bool) error {
	alone, err := n.alone()
	if err != nil {
		return err
	}
	defer alone.Close()
	if !restart {
		n.mendServing()
	}
	due, faults := n.survey()
	made, failed := n.renewAll(due)
	n.tell("renewal", append(faults, failed...), renewed(made))
	err = errors.Join(n.kubelet(restart), n.endings())
	if restart {
		err = errors.Join(err, n.restart())
	}
	return errors.Join(append(failed, err)...)
}

// alone waits for another that does the same, and holds further ones up until the file is closed.
func (n node) alone() (*os.File, error) {
	path := n.path(memory + "/lock")
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return file, nil
}

// task is a certificate that is to be made anew.
type task struct {
	holder
	old *identity
	by  *authority
	why string
}

// survey looks at every certificate of the control plane; faults are of those for which nothing can be done here.
func (n node) survey() (due []task, faults []error) {
	signers := map[string]signer{}
	for _, name := range authorities {
		by, err := loadAuthority(n.path(pki), name)
		signers[name] = signer{by, err}
	}
	var found groups
	for _, each := range n.holders() {
		next, fault := n.look(each, signers[each.authority()])
		if fault != nil {
			found = found.add(each.name(), fault)
		} else if next != nil {
			due = append(due, *next)
		}
	}
	return due, found.errors()
}

// signer is an authority, and why it can't sign here.
type signer struct {
	*authority
	err error
}

// look gives what has to be done about one certificate; nil where it is well, or not there.
func (n node) look(each holder, by signer) (*task, error) {
	found, err := each.read()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("can't be read: %w; next: %s", err, each.wayOut())
	}
	why, fault := judge(found, by.authority, n.now())
	if fault != nil || why == "" {
		return nil, fault
	}
	if by.err != nil {
		return nil, fmt.Errorf("%s, and can't be renewed here: %w", why, by.err)
	}
	return &task{each, found, by.authority, why}, nil
}

func (n node) holders() []holder {
	var all []holder
	for _, each := range pairs {
		all = append(all, pair{n.path(pki), each.name, each.authority})
	}
	for _, each := range kubeconfigs {
		all = append(all, kubeconfig{n.path(kubernetes), each})
	}
	return all
}

// renewAll gives the names of those that it made.
func (n node) renewAll(due []task) (made []string, failed []error) {
	if len(due) == 0 {
		return nil, nil
	}
	if err := n.markStale(); err != nil {
		return nil, []error{err}
	}
	for _, each := range due {
		err := each.renew(n.now())
		if err != nil {
			failed = append(failed, fmt.Errorf("%s %s, and could not be renewed: %w; the old one is as it was", each.name(), each.why, err))
			continue
		}
		fmt.Fprintf(n.log, "certificates: %s %s: it is renewed\n", each.name(), each.why)
		made = append(made, each.name())
	}
	return made, failed
}

func (t task) renew(now time.Time) error {
	made, err := t.by.issue(t.old.certificate, now)
	if err != nil {
		return err
	}
	return t.write(made)
}

// endings tells of authorities that end within a year: what they signed ends with them.
func (n node) endings() error {
	var faults []error
	for _, name := range authorities {
		all, err := readCertificates(n.path(pki + "/" + name + ".crt"))
		if err != nil {
			continue // a node without it, or one of which `survey` told
		}
		if left := all[0].NotAfter.Sub(n.now()); left < year && n.controls() {
			faults = append(faults, fmt.Errorf("the cluster's authority %s ends on %s; next: make a new one in time "+
				"(Kubernetes' documentation, \"Manual Rotation of CA Certificates\")", name, day(all[0].NotAfter)))
		}
	}
	n.tell("authority", faults, "")
	return nil
}

// controls says whether the node is a part of a control plane.
func (n node) controls() bool {
	_, err := os.Stat(n.path(pki + "/apiserver.crt"))
	return err == nil
}

// tell says what was done and what is wrong on the node's consoles; the same fault once, and when it is over.
func (n node) tell(name string, faults []error, note string) {
	said := n.path(memory + "/" + name)
	before, _ := os.ReadFile(said)
	text := words(faults)
	switch {
	case note != "":
		n.say("certificates", name, "ok", "", "note="+note)
	case text == "" && len(before) > 0:
		n.say("certificates", name, "ok")
	}
	if text != "" && (text != string(before) || note != "") {
		fmt.Fprintf(n.log, "certificates: %s\n", text)
		n.say("certificates", name, "failed", text)
	}
	_ = os.MkdirAll(filepath.Dir(said), 0o700)
	_ = os.WriteFile(said, []byte(text), 0o600)
}

func renewed(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return "renewed: " + strings.Join(names, ", ")
}

func words(faults []error) string {
	var texts []string
	for _, each := range faults {
		texts = append(texts, each.Error())
	}
	return strings.Join(texts, "; ")
}

// groups are faults, each with the names of all that have it: those of one authority share theirs.
type groups []struct {
	names []string
	text  string
}

func (g groups) add(name string, fault error) groups {
	for at := range g {
		if g[at].text == fault.Error() {
			g[at].names = append(g[at].names, name)
			return g
		}
	}
	return append(g, struct {
		names []string
		text  string
	}{[]string{name}, fault.Error()})
}

func (g groups) errors() (all []error) {
	for _, each := range g {
		all = append(all, fmt.Errorf("%s: %s", strings.Join(each.names, ", "), each.text))
	}
	return all
}

func day(moment time.Time) string { return moment.UTC().Format("2006-01-02") }
