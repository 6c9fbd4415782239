package main

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// A kubelet with serverTLSBootstrap asks the cluster for the certificate of its own port, and again before it ends. The controller
// manager signs what was approved, and approves none of these: whether a node is where it says can't be known in general
// (Kubernetes' documentation, "TLS bootstrapping", "Certificate rotation"). Here each master does: it compares what is asked for with
// the addresses that the cluster knows of that node, and of all others.

const (
	signerName   = "kubernetes.io/kubelet-serving"
	requestsPath = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
	nodesPath    = "/api/v1/nodes?resourceVersion=0" // what the API server has in its memory is new enough
	userOf       = "system:node:"
	groupOf      = "system:nodes"
)

const (
	// masterPause is between two looks whether the node has become a master.
	masterPause = 5 * time.Second
	// roundPause is between two rounds, whatever the API server says.
	roundPause = time.Second
	// youngPause is how long a node has to tell its addresses before it is looked at again, and young for how long it may take.
	youngPause = 5 * time.Second
	young      = 5 * time.Minute
	// watchSeconds is how long one watch lasts: requests that were refused are looked at again after it.
	watchSeconds = 300
)

// asked is a CertificateSigningRequest (certificates.k8s.io/v1), as far as it counts here.
type asked struct {
	Metadata struct {
		Name, ResourceVersion string
		CreationTimestamp     time.Time
	}
	Spec struct {
		Request  []byte
		Username string
		Groups   []string
		Usages   []string
	}
	Status struct {
		Conditions []struct{ Type string }
	}
}

// open says whether nobody has approved or denied it.
func (a asked) open() bool {
	return !slices.ContainsFunc(a.Status.Conditions, func(each struct{ Type string }) bool {
		return each.Type == "Approved" || each.Type == "Denied"
	})
}

// addressed is a Node, as far as it counts here.
type addressed struct {
	Metadata struct{ Name string }
	Status   struct {
		Addresses []struct{ Type, Address string }
	}
}

// early is what may be no fault: the node has not told everything yet.
type early struct{ error }

// serve approves kubelets' requests as long as the program runs.
func (n node) serve() {
	said := ""
	for {
		pause, err := n.round()
		if err == nil {
			said = ""
		} else if said != err.Error() {
			said = err.Error()
			fmt.Fprintf(n.log, "certificates: kubelets' requests: %s\n", said)
		}
		time.Sleep(pause)
	}
}

// round approves what there is, waits for more, and gives how long to rest then.
func (n node) round() (time.Duration, error) {
	with, err := n.session()
	if errors.Is(err, fs.ErrNotExist) {
		return masterPause, nil
	}
	if err != nil {
		return masterPause, err
	}
	defer with.close()
	return n.approveAll(with)
}

func (n node) approveAll(with *session) (time.Duration, error) {
	query := "?fieldSelector=" + url.QueryEscape("spec.signerName="+signerName)
	list := struct {
		Metadata struct{ ResourceVersion string }
		Items    []asked
	}{}
	if err := with.get(requestsPath+query, &list); err != nil {
		return masterPause, err
	}
	left, err := n.settle(with, list.Items)
	if err != nil || left {
		return youngPause, err
	}
	return roundPause, with.first(requestsPath+query+"&resourceVersion="+url.QueryEscape(list.Metadata.ResourceVersion), watchSeconds)
}

// settle approves what is right. left says whether some have time to become so.
func (n node) settle(with *session, all []asked) (left bool, err error) {
	all = slices.DeleteFunc(all, func(each asked) bool { return !each.open() })
	if len(all) == 0 {
		n.tell("serving", nil, "")
		return false, nil
	}
	known := struct{ Items []addressed }{}
	if err := with.get(nodesPath, &known); err != nil {
		return false, err
	}
	var faults []error
	for _, each := range all {
		fault := each.judge(known.Items)
		switch {
		case fault == nil:
			if err := n.approve(with, each); err != nil {
				return false, err
			}
		case errors.As(fault, &early{}) && n.now().Sub(each.Metadata.CreationTimestamp) < young:
			left = true
		default:
			faults = append(faults, fmt.Errorf("%s asks for the certificate of a kubelet's port, and does not get it: %w; next: "+
				"kubectl get csr %s, and `kubectl certificate approve` or `deny`", each.Spec.Username, fault, each.Metadata.Name))
		}
	}
	n.tell("serving", faults, "")
	return left, nil
}

// approve notes that; what somebody else decided meanwhile stays.
func (n node) approve(with *session, each asked) error {
	type fields = map[string]any
	approval := fields{
		"type": "Approved", "status": "True", "reason": "KubeletServing",
		"message": "the names and addresses are those that the cluster knows of the node, and of no other",
	}
	err := with.patch(requestsPath+"/"+url.PathEscape(each.Metadata.Name)+"/approval", fields{
		"metadata": fields{"resourceVersion": each.Metadata.ResourceVersion},
		"status":   fields{"conditions": []fields{approval}},
	})
	said := refused{}
	if errors.As(err, &said) && (said.code == http.StatusConflict || said.code == http.StatusNotFound) {
		return nil
	}
	if err == nil {
		fmt.Fprintf(n.log, "certificates: %s of %s is approved\n", each.Metadata.Name, each.Spec.Username)
	}
	return err
}

// judge says why a request must not be approved (signer kubernetes.io/kubelet-serving in Kubernetes' documentation, "Certificates
// and Certificate Signing Requests", has all but the addresses).
func (a asked) judge(nodes []addressed) error {
	wanted, err := parseRequest(a.Spec.Request)
	if err != nil {
		return err
	}
	name, isNode := strings.CutPrefix(a.Spec.Username, userOf)
	switch {
	case !isNode || !slices.Contains(a.Spec.Groups, groupOf):
		return errors.New("who asks is no node")
	case wanted.Subject.CommonName != a.Spec.Username || !slices.Equal(wanted.Subject.Organization, []string{groupOf}):
		return fmt.Errorf("it is to be that of %q", wanted.Subject)
	case len(wanted.EmailAddresses)+len(wanted.URIs) > 0:
		return errors.New("it is to hold more than names and addresses")
	case len(wanted.DNSNames)+len(wanted.IPAddresses) == 0:
		return errors.New("it holds no name and no address")
	}
	if err := uses(a.Spec.Usages); err != nil {
		return err
	}
	return owned(name, names(wanted), nodes)
}

func parseRequest(text []byte) (*x509.CertificateRequest, error) {
	block, rest := pem.Decode(text)
	if block == nil || block.Type != "CERTIFICATE REQUEST" || len(rest) > 0 {
		return nil, errors.New("it is no request in PEM")
	}
	wanted, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, err
	}
	return wanted, wanted.CheckSignature()
}

func uses(given []string) error {
	allowed := []string{"digital signature", "key encipherment", "server auth"}
	for _, each := range given {
		if !slices.Contains(allowed, each) {
			return fmt.Errorf("it is to be used for %q", each)
		}
	}
	if !slices.Contains(given, "server auth") {
		return errors.New("it is not to be used by a server")
	}
	return nil
}

func names(of *x509.CertificateRequest) []string {
	all := slices.Clone(of.DNSNames)
	for _, address := range of.IPAddresses {
		all = append(all, address.String())
	}
	return all
}

// owned says whether each name and address is one of the node's, and of no other.
func owned(node string, wanted []string, all []addressed) error {
	var own []string
	for _, each := range all {
		for _, known := range each.Status.Addresses {
			address := spoken(known.Address)
			switch {
			case each.Metadata.Name == node:
				own = append(own, address)
			case slices.Contains(wanted, address):
				return fmt.Errorf("%s is the node %s", address, each.Metadata.Name)
			}
		}
	}
	for _, each := range wanted {
		if !slices.Contains(own, each) {
			return early{fmt.Errorf("%s is not among what the cluster knows of the node (%s)", each, strings.Join(own, ", "))}
		}
	}
	return nil
}

// spoken gives an address as the rest of the program writes it.
func spoken(address string) string {
	if parsed := net.ParseIP(address); parsed != nil {
		return parsed.String()
	}
	return address
}

// servingFile is what the kubelet has for its port.
const servingFile = "var/lib/kubelet/pki/kubelet-server-current.pem"

// mendServing takes a damaged one away, as a power cut may leave it: without one the kubelet asks for another, with that one it does
// not start.
func (n node) mendServing() {
	path := n.path(servingFile)
	if _, err := os.Lstat(path); err != nil {
		return
	}
	found, err := readIdentity(path)
	switch {
	case err == nil && found.own:
		return
	case err == nil:
		err = errors.New("the key is another's")
	}
	fmt.Fprintf(n.log, "certificates: %s is damaged (%v): the kubelet asks for another\n", path, err)
	if err := os.Remove(path); err != nil {
		n.tell("serving-file", []error{err}, "")
	}
}
