package main

import (
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"
)

// wish is what a kubelet asks for.
type wish struct {
	user, subject, organization string
	groups, uses, dns, ips      []string
	uri                         string
}

func rightly() wish {
	return wish{
		user: "system:node:one", subject: "system:node:one", organization: "system:nodes", groups: []string{"system:nodes", "system:authenticated"},
		uses: []string{"digital signature", "server auth"}, dns: []string{"one"}, ips: []string{"10.0.0.1"},
	}
}

func (w *world) asks(by wish) asked {
	w.t.Helper()
	wanted := &x509.CertificateRequest{
		Subject: pkix.Name{CommonName: by.subject, Organization: []string{by.organization}}, DNSNames: by.dns,
	}
	for _, each := range by.ips {
		wanted.IPAddresses = append(wanted.IPAddresses, net.ParseIP(each))
	}
	if by.uri != "" {
		parsed, _ := url.Parse(by.uri)
		wanted.URIs = []*url.URL{parsed}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, wanted, w.key())
	if err != nil {
		w.t.Fatal(err)
	}
	made := asked{}
	made.Metadata.Name, made.Metadata.ResourceVersion, made.Metadata.CreationTimestamp = "csr-1", "7", w.at
	made.Spec.Request = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
	made.Spec.Username, made.Spec.Groups, made.Spec.Usages = by.user, by.groups, by.uses
	return made
}

const ownNodes = `{"items":[
	{"metadata":{"name":"one"},"status":{"addresses":[{"type":"InternalIP","address":"10.0.0.1"},{"type":"InternalIP","address":"fd00:0::1"},
		{"type":"Hostname","address":"one"}]}},
	{"metadata":{"name":"two"},"status":{"addresses":[{"type":"InternalIP","address":"10.0.0.2"},{"type":"Hostname","address":"two"}]}},
	{"metadata":{"name":"new"}}]}`

func knownNodes(t *testing.T) []addressed {
	t.Helper()
	known := struct{ Items []addressed }{}
	if err := json.Unmarshal([]byte(ownNodes), &known); err != nil {
		t.Fatal(err)
	}
	return known.Items
}

func TestAKubeletGetsACertificateOfItsOwnNamesAndAddressesAlone(t *testing.T) {
	tests := []struct {
		name string
		with func(*wish)
		says string // nothing: it gets it
	}{
		{"its own", func(*wish) {}, ""},
		{"with both protocols", func(w *wish) { w.ips = []string{"10.0.0.1", "fd00::1"} }, ""},
		{"an RSA key's uses", func(w *wish) { w.uses = append(w.uses, "key encipherment") }, ""},
		{"another's address", func(w *wish) { w.ips = []string{"10.0.0.2"} }, "10.0.0.2 is the node two"},
		{"another's name", func(w *wish) { w.dns = []string{"one", "two"} }, "two is the node two"},
		{"nobody's name", func(w *wish) { w.dns = []string{"kubernetes.default"} }, "kubernetes.default is not among"},
		{"nobody's address", func(w *wish) { w.ips = []string{"10.96.0.1"} }, "10.96.0.1 is not among"},
		{"of another node", func(w *wish) { w.subject = "system:node:two" }, "it is to be that of"},
		{"of an administrator", func(w *wish) { w.organization = "system:masters" }, "it is to be that of"},
		{"no node asks", func(w *wish) { w.user, w.subject = "eve", "eve" }, "who asks is no node"},
		{"a token of a node's name asks", func(w *wish) { w.groups = []string{"system:authenticated"} }, "who asks is no node"},
		{"for clients", func(w *wish) { w.uses = append(w.uses, "client auth") }, `used for "client auth"`},
		{"for no server", func(w *wish) { w.uses = []string{"digital signature"} }, "not to be used by a server"},
		{"for a URI", func(w *wish) { w.uri = "spiffe://one" }, "more than names and addresses"},
		{"for nothing", func(w *wish) { w.dns, w.ips = nil, nil }, "no name and no address"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			by := rightly()
			test.with(&by)
			err := newWorld(t).asks(by).judge(knownNodes(t))
			if test.says == "" && err != nil || test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestWhatIsNoRequestGetsNothing(t *testing.T) {
	w := newWorld(t)
	right := w.asks(rightly())
	other := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: []byte("x")})
	block, _ := pem.Decode(right.Spec.Request)
	block.Bytes[len(block.Bytes)-3] ^= 1
	for _, text := range [][]byte{nil, []byte("x"), other, append(right.Spec.Request, right.Spec.Request...), pem.EncodeToMemory(block)} {
		wrong := right
		wrong.Spec.Request = text
		if err := wrong.judge(knownNodes(t)); err == nil || errors.As(err, &early{}) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestANodeThatHasNotToldItsAddressesYetHasTime(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"new", "unknown"} {
		by := rightly()
		by.user, by.subject, by.dns, by.ips = userOf+name, userOf+name, []string{name}, []string{"10.0.0.9"}
		if err := w.asks(by).judge(knownNodes(t)); !errors.As(err, &early{}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// cluster is an API server that knows requests and nodes, and whom it trusts.
type cluster struct {
	*httptest.Server
	mu       sync.Mutex
	requests []asked
	approved []string
	asked    []string
	answer   int // of an approval, if not 200
}

func (w *world) cluster() *cluster {
	w.t.Helper()
	made := &cluster{}
	made.Server = httptest.NewUnstartedServer(made)
	certificate, key := w.signed("api", "ca", time.Now().Add(-time.Hour), 2*time.Hour)
	own, err := tls.X509KeyPair([]byte(certificate), []byte(key))
	if err != nil {
		w.t.Fatal(err)
	}
	trusted := x509.NewCertPool()
	trusted.AppendCertsFromPEM([]byte(w.text(pki + "/ca.crt")))
	made.TLS = &tls.Config{Certificates: []tls.Certificate{own}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: trusted}
	made.StartTLS()
	w.t.Cleanup(made.Close)
	return made
}

func (c *cluster) ServeHTTP(answer http.ResponseWriter, question *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, question.Method+" "+question.URL.String())
	switch {
	case question.Method == http.MethodPatch:
		c.approve(answer, question)
	case question.URL.Query().Get("watch") == "1":
		fmt.Fprintln(answer, `{"type":"ADDED"}`)
	case question.URL.Path == "/api/v1/nodes":
		fmt.Fprint(answer, ownNodes)
	default:
		_ = json.NewEncoder(answer).Encode(map[string]any{"metadata": map[string]any{"resourceVersion": "41"}, "items": c.requests})
	}
}

func (c *cluster) approve(answer http.ResponseWriter, question *http.Request) {
	if c.answer != 0 {
		answer.WriteHeader(c.answer)
		fmt.Fprint(answer, `{"message":"the object has been modified"}`)
		return
	}
	text, _ := io.ReadAll(question.Body)
	c.approved = append(c.approved, question.URL.Path+" "+question.Header.Get("Content-Type")+" "+string(text))
}

// joins makes the world's node one of the cluster's masters.
func (w *world) joins(c *cluster) {
	w.t.Helper()
	certificate, key := w.signed("admin", "ca", time.Now().Add(-time.Hour), 2*time.Hour)
	encode := func(text string) string { return base64.StdEncoding.EncodeToString([]byte(text)) }
	w.put(kubernetes+"/admin.conf", fmt.Sprintf("clusters:\n- cluster: {server: %q, certificate-authority-data: %s}\nusers:\n"+
		"- user: {client-certificate-data: %s, client-key-data: %s}\n", c.URL, encode(w.text(pki+"/ca.crt")), encode(certificate), encode(key)), 0o600)
}

// today makes a world whose cluster was made a moment ago: TLS compares with the real clock.
func today(t *testing.T) (*world, *cluster) {
	w := newWorld(t)
	w.at = time.Now()
	w.makeAuthority("ca", w.at.Add(-time.Hour), year)
	c := w.cluster()
	w.joins(c)
	return w, c
}

func TestAMasterApprovesWhatIsRightAndTellsOfTheRest(t *testing.T) {
	w, c := today(t)
	wrong := rightly()
	wrong.ips = []string{"10.0.0.2"}
	denied := w.asks(rightly())
	denied.Status.Conditions = []struct{ Type string }{{"Denied"}}
	c.requests = []asked{w.asks(rightly()), w.asks(wrong), denied}
	c.requests[1].Metadata.Name = "csr-2"
	pause, err := w.round()
	if err != nil || pause != roundPause {
		t.Fatalf("%v, %v", pause, err)
	}
	want := `csr-1/approval application/merge-patch+json {"metadata":{"resourceVersion":"7"},"status":{"conditions":[{"message":`
	if len(c.approved) != 1 || !strings.Contains(c.approved[0], want) || !strings.Contains(c.approved[0], `"type":"Approved"`) {
		t.Errorf("approved %q", c.approved)
	}
	w.heard("certificates serving failed", "10.0.0.2 is the node two", "kubectl get csr csr-2")
	if last := c.asked[len(c.asked)-1]; !strings.Contains(last, "resourceVersion=41&watch=1&timeoutSeconds=300") {
		t.Errorf("it watched %s", last)
	}
	c.requests = nil
	if _, err := w.round(); err != nil {
		t.Fatal(err)
	}
	w.heard("certificates serving ok")
}

func TestANodeThatIsNewIsLookedAtAgainSoonAndToldOfLater(t *testing.T) {
	w, c := today(t)
	by := rightly()
	by.user, by.subject, by.dns = userOf+"new", userOf+"new", []string{"new"}
	by.ips = []string{"10.0.0.9"}
	c.requests = []asked{w.asks(by)}
	if pause, err := w.round(); err != nil || pause != youngPause || w.told != nil {
		t.Errorf("%v, %v, told %q", pause, err, w.told)
	}
	w.at = w.at.Add(2 * young)
	if pause, err := w.round(); err != nil || pause != roundPause {
		t.Errorf("%v, %v", pause, err)
	}
	w.heard("certificates serving failed", "is not among what the cluster knows of the node")
}

func TestWhatAnotherMasterDecidedStays(t *testing.T) {
	for code, lasts := range map[int]bool{http.StatusConflict: false, http.StatusNotFound: false, http.StatusForbidden: true} {
		w, c := today(t)
		c.requests, c.answer = []asked{w.asks(rightly())}, code
		if _, err := w.round(); (err != nil) != lasts {
			t.Errorf("%d: %v", code, err)
		} else if lasts && !strings.Contains(err.Error(), "403: the object has been modified") {
			t.Errorf("it says %v", err)
		}
	}
}

func TestAWorkerAsksNobody(t *testing.T) {
	w, c := today(t)
	if err := os.Remove(w.path(kubernetes + "/admin.conf")); err != nil {
		t.Fatal(err)
	}
	if pause, err := w.round(); err != nil || pause != masterPause || c.asked != nil {
		t.Errorf("%v, %v, asked %q", pause, err, c.asked)
	}
}

func TestAnAPIServerOfAnotherClusterIsToldNothing(t *testing.T) {
	w, c := today(t)
	w.makeAuthority("ca", w.at.Add(-time.Hour), year)
	w.joins(c)
	if _, err := w.round(); err == nil || !strings.Contains(err.Error(), "certificate") || c.asked != nil {
		t.Errorf("%v, asked %q", err, c.asked)
	}
}

func TestATornCertificateOfTheKubeletsPortIsTakenAway(t *testing.T) {
	certificate, key := newWorld(t).signed("kubelet", "ca", born, year)
	_, other := newWorld(t).signed("kubelet", "ca", born, year)
	tests := []struct {
		name, text string
		stays      bool
	}{
		{"whole", certificate + key, true},
		{"empty", "", false},
		{"cut", certificate[:200], false},
		{"without its key", certificate, false},
		{"with another's key", certificate + other, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			w := newWorld(t)
			w.put("var/lib/kubelet/pki/kubelet-server-1.pem", test.text, 0o600)
			if err := os.Symlink("kubelet-server-1.pem", w.path(servingFile)); err != nil {
				t.Fatal(err)
			}
			w.keep()
			if _, err := os.Lstat(w.path(servingFile)); (err == nil) != test.stays {
				t.Errorf("it stays: %v", err == nil)
			}
		})
	}
}
