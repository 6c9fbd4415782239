package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// born is when the cluster of a test was made.
var born = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

const days = 24 * time.Hour

// world is a master as kubeadm init leaves it, at a time of the test's choice.
type world struct {
	node
	t    *testing.T
	at   time.Time
	told []string
	log  bytes.Buffer
}

func newWorld(t *testing.T) *world {
	w := &world{t: t, at: born}
	w.node = node{root: t.TempDir(), now: func() time.Time { return w.at }, log: io.Discard, limit: 3 * time.Second}
	w.report = func(words ...string) { w.told = append(w.told, strings.TrimSpace(strings.Join(words, " "))) }
	for _, name := range authorities {
		w.makeAuthority(name, born, 10*year)
	}
	for _, each := range pairs {
		w.makePair(each.name, each.authority, born, year)
	}
	for _, name := range kubeconfigs {
		w.makeKubeconfig(name, born, year)
	}
	w.put(kubeletConf, "users:\n- name: one\n  user:\n    client-certificate: /var/lib/kubelet/pki/kubelet-client-current.pem\n", 0o600)
	w.makeKubelet(born, year)
	return w
}

func (w *world) put(name, text string, mode os.FileMode) {
	w.t.Helper()
	path := w.path(name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		w.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) text(name string) string {
	w.t.Helper()
	text, err := os.ReadFile(w.path(name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

func (w *world) makeAuthority(name string, from time.Time, period time.Duration) {
	w.t.Helper()
	key := w.key()
	wanted := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "authority " + name}, IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageCertSign, NotBefore: from, NotAfter: from.Add(period),
	}
	der, err := x509.CreateCertificate(rand.Reader, wanted, wanted, key.Public(), key)
	if err != nil {
		w.t.Fatal(err)
	}
	text, _ := encodeKey(key)
	w.put(pki+"/"+name+".key", string(text), 0o600)
	w.put(pki+"/"+name+".crt", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), 0o644)
}

func (w *world) key() *ecdsa.PrivateKey {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		w.t.Fatal(err)
	}
	return key
}

// signed makes a certificate as the tests' own, not by the program's issue.
func (w *world) signed(name, authority string, from time.Time, period time.Duration) (certificate, key string) {
	w.t.Helper()
	by, err := loadAuthority(w.path(pki), authority)
	if err != nil {
		w.t.Fatal(err)
	}
	own := w.key()
	wanted := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "system:node:one", Organization: []string{"of " + name}},
		DNSNames: []string{"one", "kubernetes.default"}, IPAddresses: []net.IP{net.IPv4(10, 0, 0, 1).To4(), net.IPv4(127, 0, 0, 1).To4()},
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth},
		NotBefore: from, NotAfter: from.Add(period),
	}
	der, err := x509.CreateCertificate(rand.Reader, wanted, by.certificate, own.Public(), by.key)
	if err != nil {
		w.t.Fatal(err)
	}
	text, _ := encodeKey(own)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(text)
}

func (w *world) makePair(name, authority string, from time.Time, period time.Duration) {
	certificate, key := w.signed(name, authority, from, period)
	w.put(pki+"/"+name+".crt", certificate, 0o640)
	w.put(pki+"/"+name+".key", key, 0o600)
}

func (w *world) makeKubeconfig(name string, from time.Time, period time.Duration) {
	certificate, key := w.signed(name, "ca", from, period)
	w.put(kubernetes+"/"+name, fmt.Sprintf(`apiVersion: v1
kind: Config
clusters: [{name: kubeiso, cluster: {server: "https://10.0.0.1:6443"}}] # by hand
users:
- name: admin
  user:
    client-certificate-data: %s
    client-key-data: %s
`, base64.StdEncoding.EncodeToString([]byte(certificate)), base64.StdEncoding.EncodeToString([]byte(key))), 0o600)
}

const kubeletFolder = "var/lib/kubelet/pki"

func (w *world) makeKubelet(from time.Time, period time.Duration) {
	w.t.Helper()
	certificate, key := w.signed("kubelet", "ca", from, period)
	name := "kubelet-client-" + from.Format("2006-01-02-15-04-05") + ".pem"
	w.put(kubeletFolder+"/"+name, certificate+key, 0o600)
	link := w.path(kubeletFolder + "/kubelet-client-current.pem")
	_ = os.Remove(link)
	if err := os.Symlink(name, link); err != nil {
		w.t.Fatal(err)
	}
}

// files gives the content of all files of Kubernetes on the node.
func (w *world) files() map[string]string {
	found := map[string]string{}
	for _, folder := range []string{kubernetes, "var"} {
		_ = filepath.WalkDir(w.path(folder), func(path string, entry os.DirEntry, err error) error {
			if err == nil && !entry.IsDir() {
				text, _ := os.ReadFile(path)
				found[strings.TrimPrefix(path, w.root+"/")] = string(text)
			}
			return err
		})
	}
	return found
}

// good fails unless each certificate is whole, valid now, and signed by its authority.
func (w *world) good() {
	w.t.Helper()
	for _, each := range w.holders() {
		found, err := each.read()
		if err != nil || !found.own {
			w.t.Errorf("%s is not whole: %v", each.name(), err)
			continue
		}
		w.trusted(each.name(), each.authority(), found.certificate)
	}
}

func (w *world) trusted(name, authority string, certificate *x509.Certificate) {
	w.t.Helper()
	by, err := loadAuthority(w.path(pki), authority)
	if err != nil {
		w.t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(by.certificate)
	usages := []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	if _, err := certificate.Verify(x509.VerifyOptions{Roots: roots, CurrentTime: w.at, KeyUsages: usages}); err != nil {
		w.t.Errorf("%s is not trusted: %v", name, err)
	}
}

func (w *world) keep() {
	w.t.Helper()
	if err := w.node.keep(false); err != nil {
		w.t.Errorf("it failed: %v", err)
	}
}

// heard fails unless one of the things that were told has all the words.
func (w *world) heard(words ...string) {
	w.t.Helper()
	fits := func(line string) bool {
		return !slices.ContainsFunc(words, func(word string) bool { return !strings.Contains(line, word) })
	}
	if !slices.ContainsFunc(w.told, fits) {
		w.t.Errorf("nobody told %q, but %q", words, w.told)
	}
}
