package main

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// The kubelet renews its own client certificate, by the API server, while it runs; what it can't do is to renew one that has ended.
// On a master the cluster's authority does that; a worker has to be given a new one.

// clientKey names, in the kubelet's kubeconfig, the file with its certificate and key.
const clientKey = "client-certificate"

// kubelet sees to the kubelet's certificate; one that it makes for a kubelet that runs is of use only after its restart.
func (n node) kubelet(restart bool) error {
	made, fault := n.renewKubelet()
	var faults []error
	if fault != nil {
		faults = append(faults, fault)
	}
	n.tell("kubelet", faults, renewed(made))
	if made != nil && restart {
		return n.service("restart", "kubelet")
	}
	return nil
}

func (n node) renewKubelet() (made []string, fault error) {
	path, err := n.kubeletFile()
	if path == "" || err != nil {
		return nil, err
	}
	found, err := readIdentity(path)
	if err == nil && found.own {
		if n.valid(found) {
			return nil, nil
		}
		return n.issueKubelet(path, found.certificate)
	}
	last, name := n.lastKubelet(path)
	switch {
	case last == nil && errors.Is(err, fs.ErrNotExist) && n.asks():
		return nil, nil
	case last == nil:
		return nil, fmt.Errorf("%s is damaged, and there is no other; next: %s", path, n.wayOut("NAME"))
	case n.valid(last):
		return []string{"the kubelet's, by the one before it"}, relink(path, name)
	}
	return n.issueKubelet(path, last.certificate)
}

// asks says whether the kubelet has what it asks the cluster with for its first certificate.
func (n node) asks() bool {
	_, err := os.Stat(n.path(kubernetes + "/bootstrap-kubelet.conf"))
	return err == nil
}

func (n node) valid(found *identity) bool {
	return !n.now().Before(found.certificate.NotBefore) && !n.now().After(found.certificate.NotAfter)
}

// issueKubelet makes the successor of the kubelet's certificate, with the name that it has in the cluster.
func (n node) issueKubelet(path string, old *x509.Certificate) (made []string, fault error) {
	by, err := loadAuthority(n.path(pki), "ca")
	if err != nil {
		who := strings.TrimPrefix(old.Subject.CommonName, "system:node:")
		return nil, fmt.Errorf("the kubelet's certificate was valid until %s; next: %s", day(old.NotAfter), n.wayOut(who))
	}
	why, fault := judge(&identity{old, true}, by, n.now())
	if fault != nil {
		return nil, fmt.Errorf("the kubelet's certificate: %w", fault)
	}
	fresh, err := by.issue(old, n.now())
	if err == nil {
		err = n.putKubelet(path, slices.Concat(fresh.certificate, fresh.key))
	}
	if err != nil {
		return nil, fmt.Errorf("the kubelet's certificate %s, and could not be renewed: %w", why, err)
	}
	return []string{"the kubelet's"}, nil
}

// putKubelet writes it as the kubelet itself does: a file with its time in its name, and a link that leads to the newest.
func (n node) putKubelet(link string, text []byte) error {
	name := filepath.Join(filepath.Dir(link), "kubelet-client-"+n.now().UTC().Format("2006-01-02-15-04-05")+".pem")
	if err := replace(contents{name, text, 0o600}); err != nil {
		return err
	}
	return relink(link, filepath.Base(name))
}

func relink(link, target string) error {
	if err := os.Remove(link + aside); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, link+aside); err != nil {
		return err
	}
	return errors.Join(os.Rename(link+aside, link), syncFolder(filepath.Dir(link)))
}

// kubeletFile gives where the kubelet has its certificate; nothing where it has none of its own yet.
func (n node) kubeletFile() (string, error) {
	_, user, err := kubeconfig{n.path(kubernetes), "kubelet.conf"}.parse()
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("%s can't be read: %w; next: %s", n.path(kubeletConf), err, n.wayOut("NAME"))
	}
	if path := value(user, clientKey); path != "" {
		return n.path(path), nil
	}
	return "", nil
}

// kubeletName gives the name by which the cluster knows the node; "" where its certificate can't tell.
func (n node) kubeletName() string {
	path, err := n.kubeletFile()
	if err != nil {
		return ""
	}
	var found *identity
	if path == "" {
		found, err = kubeconfig{n.path(kubernetes), "kubelet.conf"}.read()
	} else {
		found, err = readIdentity(path)
	}
	if err != nil {
		return ""
	}
	name, isNode := strings.CutPrefix(found.certificate.Subject.CommonName, "system:node:")
	if !isNode {
		return ""
	}
	return name
}

// lastKubelet gives the newest whole certificate of the kubelet, and its file's name; nil where there is none.
func (n node) lastKubelet(link string) (*identity, string) {
	all, _ := filepath.Glob(filepath.Join(filepath.Dir(link), "kubelet-client-*.pem"))
	slices.Sort(all)
	for _, path := range slices.Backward(all) {
		if found, err := readIdentity(path); err == nil && found.own {
			return found, filepath.Base(path)
		}
	}
	return nil, ""
}

func readIdentity(path string) (*identity, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return identityOf(text, text)
}

// wayOut is the one that kubeadm's documentation has (Troubleshooting kubeadm, "Kubelet client certificate rotation fails").
func (n node) wayOut(name string) string {
	return fmt.Sprintf("on a master `kubeadm kubeconfig user --org system:nodes --client-name system:node:%s`, and what it prints to "+
		"/etc/kubernetes/kubelet.conf here", name)
}
