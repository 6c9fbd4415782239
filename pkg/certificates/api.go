package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

const (
	// callLimit is for one answer of an API server, which takes minutes for a long list where the machine is emulated.
	callLimit = 2 * time.Minute
	// answerSize bounds what is read of one: the nodes of a cluster of 5000 are fewer bytes.
	answerSize = 256 << 20
)

// session talks to the cluster's API server as its administrator, whose kubeconfig a master has. It knows nothing but JSON over
// HTTPS: client-go would be twice the size of the rest of this program's image.
type session struct {
	client http.Client
	server string
}

// session gives fs.ErrNotExist where the node has no such kubeconfig: it is no master, or none yet.
func (n node) session() (*session, error) {
	file := kubeconfig{n.path(kubernetes), "admin.conf"}
	document, user, err := file.parse()
	if err != nil {
		return nil, err
	}
	clusters := at(document.Content[0], "clusters")
	if clusters == nil || len(clusters.Content) == 0 || at(clusters.Content[0], "cluster") == nil {
		return nil, errors.New("admin.conf names no cluster")
	}
	cluster := at(clusters.Content[0], "cluster")
	own, err := keyPair(value(user, certificateData), value(user, keyData))
	if err != nil {
		return nil, fmt.Errorf("admin.conf: %w", err)
	}
	known := x509.NewCertPool()
	if text, err := base64.StdEncoding.DecodeString(value(cluster, "certificate-authority-data")); err != nil || !known.AppendCertsFromPEM(text) {
		return nil, errors.New("admin.conf has no authority of its cluster")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{own}, RootCAs: known}}
	return &session{http.Client{Transport: transport}, strings.TrimSuffix(value(cluster, "server"), "/")}, nil
}

func keyPair(certificate, key string) (tls.Certificate, error) {
	one, err := base64.StdEncoding.DecodeString(certificate)
	if err != nil {
		return tls.Certificate{}, err
	}
	other, err := base64.StdEncoding.DecodeString(key)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.X509KeyPair(one, other)
}

func (s *session) close() { s.client.CloseIdleConnections() }

// get reads the answer of one question.
func (s *session) get(path string, into any) error {
	return s.call(http.MethodGet, path, nil, callLimit, func(answer io.Reader) error {
		return json.NewDecoder(io.LimitReader(answer, answerSize)).Decode(into)
	})
}

// patch changes an object by a JSON merge patch (RFC 7386).
func (s *session) patch(path string, change any) error {
	text, err := json.Marshal(change)
	if err != nil {
		return err
	}
	return s.call(http.MethodPatch, path, text, callLimit, func(io.Reader) error { return nil })
}

// first returns with the first event of a watch, or with its end after that many seconds.
func (s *session) first(path string, seconds int) error {
	limit := time.Duration(seconds)*time.Second + callLimit
	return s.call(http.MethodGet, fmt.Sprintf("%s&watch=1&timeoutSeconds=%d", path, seconds), nil, limit, func(events io.Reader) error {
		_, err := io.ReadFull(events, make([]byte, 1))
		if errors.Is(err, io.EOF) {
			return nil
		}
		return err
	})
}

func (s *session) call(method, path string, body []byte, limit time.Duration, read func(io.Reader) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, s.server+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Accept", "application/json")
	if body != nil {
		request.Header.Set("Content-Type", "application/merge-patch+json")
	}
	answer, err := s.client.Do(request)
	if err != nil {
		return err
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 != 2 {
		return refusal(answer)
	}
	return read(answer.Body)
}

// refused is an answer that is none of what was asked for.
type refused struct {
	code    int
	message string
}

func (r refused) Error() string { return fmt.Sprintf("the API server says %d: %s", r.code, r.message) }

func refusal(answer *http.Response) error {
	status := struct{ Message string }{}
	text, _ := io.ReadAll(io.LimitReader(answer.Body, 64<<10))
	if json.Unmarshal(text, &status) != nil || status.Message == "" {
		status.Message = http.StatusText(answer.StatusCode)
	}
	return refused{answer.StatusCode, status.Message}
}
