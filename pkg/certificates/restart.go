package main

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

const (
	// stale has a file for each part that may know a certificate which is no more.
	stale     = memory + "/stale"
	manifests = kubernetes + "/manifests"
	// annotation of a static pod: another one makes it another pod, which the kubelet starts in the place of the old one, whatever
	// the container runtime.
	annotation = "kubeiso.dev/certificates"
	// restartLimit is for one part of the control plane: an emulated API server takes minutes.
	restartLimit = 20 * time.Minute
)

// part is what holds certificates in its memory: the port that it has if no argument says another, and what it answers with 200 to
// anybody once it is of use (etcd answers nobody without a certificate).
type part struct{ name, argument, port, ready string }

// parts stand in the order in which each needs those before it.
var parts = []part{
	{"etcd", "--listen-client-urls=https://127.0.0.1:", "2379", ""},
	{"kube-apiserver", "--secure-port=", "6443", "/readyz"},
	{"kube-controller-manager", "--secure-port=", "10257", "/healthz"},
	{"kube-scheduler", "--secure-port=", "10259", "/healthz"},
}

// answerLimit is for one answer: an emulated API server that has much to do takes seconds for a handshake.
const answerLimit = 15 * time.Second

// markStale notes, before the first certificate is replaced, that what runs now will know old ones.
func (n node) markStale() error {
	for _, each := range parts {
		if len(n.processes(each.name)) == 0 {
			continue
		}
		mark := n.path(stale + "/" + each.name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(mark), 0o700), os.WriteFile(mark, nil, 0o600)); err != nil {
			return err
		}
	}
	return nil
}

// restart starts the control plane's parts anew where it has to be. One that does not come back keeps the others running.
func (n node) restart() error {
	var names []string
	for _, each := range parts {
		mark := n.path(stale + "/" + each.name)
		if _, err := os.Stat(mark); err != nil {
			continue
		}
		again, err := n.restartPart(each)
		if err != nil {
			err = fmt.Errorf("%s has new certificates and does not come back with them: %w; next: kubectl -n kube-system get pods, "+
				"/var/log/kubelet.log", each.name, err)
			n.tell("restart", []error{err}, "")
			return err
		}
		if again {
			names = append(names, each.name)
		}
		if err := os.Remove(mark); err != nil {
			return err
		}
	}
	if names != nil {
		n.tell("restart", nil, "started anew: "+strings.Join(names, ", "))
	}
	return nil
}

// restartPart says whether there was something to restart, after it answers again.
func (n node) restartPart(of part) (bool, error) {
	name, port := of.name, of.port
	path := n.path(manifests + "/" + name + ".yaml")
	before := n.processes(name)
	text, err := os.ReadFile(path)
	if err != nil || len(before) == 0 {
		return false, nil // none of ours, or one that starts with what is there now
	}
	if _, after, found := strings.Cut(string(text), of.argument); found {
		port = after[:len(after)-len(strings.TrimLeft(after, "0123456789"))]
	}
	changed, err := annotated(text, n.now().UTC().Format(time.RFC3339))
	if err != nil {
		return false, err
	}
	fmt.Fprintf(n.log, "certificates: %s is started anew\n", name)
	// Made outside the folder, in which the kubelet takes each file for a pod.
	outside := n.path(kubernetes + "/" + name + ".yaml" + aside)
	if err := (contents{path, changed, 0o600}).stage(outside); err != nil {
		return false, errors.Join(err, os.Remove(outside))
	}
	if err := errors.Join(os.Rename(outside, path), syncFolder(filepath.Dir(path))); err != nil {
		return false, err
	}
	return true, n.wait(name, before, net.JoinHostPort("127.0.0.1", port), of.ready)
}

// wait returns when another process of that name than those before answers.
func (n node) wait(name string, before []string, address, ready string) error {
	limit := n.limit
	if limit == 0 {
		limit = restartLimit
	}
	why := ""
	for end := time.Now().Add(limit); time.Now().Before(end); time.Sleep(limit / 1200) {
		now := n.processes(name)
		old := slices.ContainsFunc(now, func(each string) bool { return slices.Contains(before, each) })
		switch {
		case old:
			why = "the old one still runs"
			continue
		case len(now) == 0:
			why = "no new one runs"
			continue
		}
		err := listens(address)
		if err == nil && ready != "" {
			err = answers("https://" + address + ready)
		}
		if err == nil {
			return nil
		}
		why = err.Error()
	}
	return fmt.Errorf("%s after %s", why, limit)
}

func listens(address string) error {
	connection, err := net.DialTimeout("tcp", address, time.Second)
	if err != nil {
		return err
	}
	return connection.Close()
}

// answers asks a part on this node. Whose certificate it has says nothing here: it is asked whether it is well, and told nothing.
func answers(url string) error {
	transport := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableKeepAlives: true}
	client := http.Client{Transport: transport, Timeout: answerLimit}
	answer, err := client.Get(url)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return fmt.Errorf("%s says %s", url, answer.Status)
	}
	return nil
}

// processes gives the numbers of the control plane's processes whose program has that name; a user's pod may run another etcd.
func (n node) processes(name string) []string {
	all, _ := filepath.Glob(n.path("proc/[0-9]*/cmdline"))
	var found []string
	for _, path := range all {
		text, _ := os.ReadFile(path)
		program, arguments, _ := strings.Cut(string(text), "\x00")
		if filepath.Base(program) == name && strings.Contains(arguments, "=/"+kubernetes+"/") {
			found = append(found, filepath.Base(filepath.Dir(path)))
		}
	}
	return found
}

// annotated gives a pod's manifest with our annotation.
func annotated(manifest []byte, text string) ([]byte, error) {
	document := new(yaml.Node)
	if err := yaml.Unmarshal(manifest, document); err != nil {
		return nil, err
	}
	if len(document.Content) != 1 || at(document.Content[0], "metadata") == nil {
		return nil, errors.New("its manifest has no metadata")
	}
	metadata := at(document.Content[0], "metadata")
	known := at(metadata, "annotations")
	if known == nil || known.Kind != yaml.MappingNode {
		known = &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
		name := new(yaml.Node)
		name.SetString("annotations")
		metadata.Content = append(metadata.Content, name, known)
	}
	put(known, annotation, text)
	if at(known, annotation).Style == 0 {
		at(known, annotation).Style = yaml.DoubleQuotedStyle // a time would be another type
	}
	return yaml.Marshal(document)
}

// say tells on the node's consoles, as a stage: stage, name, state, error, and further KEY=VALUE.
func (n node) say(words ...string) {
	if n.report != nil {
		n.report(words...)
		return
	}
	if err := n.service("report", words...); err != nil {
		fmt.Fprintf(n.log, "certificates: the consoles can't be told: %v\n", err)
	}
}

func (n node) service(verb string, words ...string) error {
	if n.report != nil && verb != "report" {
		n.report(append([]string{verb}, words...)...)
		return nil
	}
	return exec.Command("service", append([]string{verb}, words...)...).Run()
}
