package main

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"time"
)

const (
	year = 365 * 24 * time.Hour
	// backdate is for clocks that are a little behind, as kubeadm has it (CertificateBackdate).
	backdate = 5 * time.Minute
	// share of its life that is left of a certificate when it is renewed: a third, as cert-manager has it. Of kubeadm's year these
	// are four months, in which a node may lie switched off or a full disk be seen to.
	share = 3
	// worthwhile is what a new certificate must end later by, or a third of its life where that is less: one that its authority's end
	// bounds is not made again and again.
	worthwhile = 24 * time.Hour
)

// identity is a certificate and its key; own says that they belong together.
type identity struct {
	certificate *x509.Certificate
	own         bool
}

// issued is a new identity as PEM.
type issued struct{ certificate, key []byte }

type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// loadAuthority reads NAME.crt and NAME.key. An authority without its key gives its certificate and an error.
func loadAuthority(folder, name string) (*authority, error) {
	all, err := readCertificates(filepath.Join(folder, name+".crt"))
	if err != nil {
		return nil, fmt.Errorf("its authority %s can't be read: %w", name, err)
	}
	found := &authority{certificate: all[0]}
	key, err := readKey(filepath.Join(folder, name+".key"))
	if errors.Is(err, fs.ErrNotExist) {
		return found, fmt.Errorf("the key of its authority %s is not on this node; next: renew it where that key is", name)
	}
	if err != nil {
		return found, fmt.Errorf("the key of its authority %s can't be read: %w", name, err)
	}
	for _, each := range all { // while authorities change, there are two
		if sameKey(each.PublicKey, key) {
			return &authority{each, key}, nil
		}
	}
	return found, fmt.Errorf("%s.key is not the key of its authority %s.crt", name, name)
}

// judge says why a certificate has to be renewed; nothing where it has not. A fault is why it must not be touched.
func judge(found *identity, by *authority, now time.Time) (why string, fault error) {
	if by != nil && now.Before(by.certificate.NotBefore) {
		return "", fmt.Errorf("the clock says %s, and the cluster's authority was made on %s: nothing is renewed; next: set the clock",
			now.UTC().Format("2006-01-02 15:04 UTC"), day(by.certificate.NotBefore))
	}
	if by != nil && now.After(by.certificate.NotAfter) {
		return "", fmt.Errorf("its authority %s ended on %s", by.certificate.Subject.CommonName, day(by.certificate.NotAfter))
	}
	cert := found.certificate
	left := cert.NotAfter.Sub(now)
	switch {
	case !found.own:
		return "has a key that is not its own", nil
	case now.Before(cert.NotBefore):
		return "begins only on " + day(cert.NotBefore) + ", made by a clock that was ahead", nil
	case by != nil && by.end(cert, now).Sub(cert.NotAfter) < min(worthwhile, life(cert)/share) && left > 0:
		return "", nil
	case left <= 0:
		return "ended on " + day(cert.NotAfter), nil
	case left < life(cert)/share:
		return "ends on " + day(cert.NotAfter), nil
	}
	return "", nil
}

func life(cert *x509.Certificate) time.Duration { return cert.NotAfter.Sub(cert.NotBefore) }

// end gives when the successor of a certificate ends: it lives as long, but for one that had to end with its authority.
func (a *authority) end(old *x509.Certificate, now time.Time) time.Time {
	period := life(old)
	if old.NotAfter.Equal(a.certificate.NotAfter) {
		period = max(period, year)
	}
	end := now.Add(period - backdate)
	if end.After(a.certificate.NotAfter) {
		return a.certificate.NotAfter
	}
	return end
}

// issue makes the successor of a certificate: the same subject, names and uses, and a new key of the same kind.
func (a *authority) issue(old *x509.Certificate, now time.Time) (issued, error) {
	key, err := newKey(old.PublicKey)
	if err != nil {
		return issued{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 63))
	if err != nil {
		return issued{}, err
	}
	wanted := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)), Subject: old.Subject,
		DNSNames: old.DNSNames, IPAddresses: old.IPAddresses, EmailAddresses: old.EmailAddresses, URIs: old.URIs,
		KeyUsage: old.KeyUsage, ExtKeyUsage: old.ExtKeyUsage, BasicConstraintsValid: old.BasicConstraintsValid,
		NotBefore: latest(now.Add(-backdate), a.certificate.NotBefore), NotAfter: a.end(old, now),
	}
	der, err := x509.CreateCertificate(rand.Reader, wanted, a.certificate, key.Public(), a.key)
	if err != nil {
		return issued{}, err
	}
	text, err := encodeKey(key)
	return issued{pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), text}, err
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func newKey(like any) (crypto.Signer, error) {
	switch old := like.(type) {
	case *rsa.PublicKey:
		return rsa.GenerateKey(rand.Reader, old.N.BitLen())
	case *ecdsa.PublicKey:
		return ecdsa.GenerateKey(old.Curve, rand.Reader)
	case ed25519.PublicKey:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
	return nil, fmt.Errorf("keys of the kind %T are not known here", like)
}

// encodeKey writes a key as client-go does: the older forms, which every reader knows.
func encodeKey(key crypto.Signer) ([]byte, error) {
	block := &pem.Block{Type: "PRIVATE KEY"}
	var err error
	switch each := key.(type) {
	case *rsa.PrivateKey:
		block.Type, block.Bytes = "RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(each)
	case *ecdsa.PrivateKey:
		block.Type = "EC PRIVATE KEY"
		block.Bytes, err = x509.MarshalECPrivateKey(each)
	default:
		block.Bytes, err = x509.MarshalPKCS8PrivateKey(key)
	}
	return pem.EncodeToMemory(block), err
}

func readCertificates(path string) ([]*x509.Certificate, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseCertificates(text)
}

// parseCertificates gives at least one.
func parseCertificates(text []byte) ([]*x509.Certificate, error) {
	var all []*x509.Certificate
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		each, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		all = append(all, each)
	}
	if all == nil {
		return nil, errors.New("there is no certificate in it")
	}
	return all, nil
}

func readKey(path string) (crypto.Signer, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return parseKey(text)
}

func parseKey(text []byte) (crypto.Signer, error) {
	for block, rest := pem.Decode(text); block != nil; block, rest = pem.Decode(rest) {
		var key any
		var err error
		switch block.Type {
		case "RSA PRIVATE KEY":
			key, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "EC PRIVATE KEY":
			key, err = x509.ParseECPrivateKey(block.Bytes)
		case "PRIVATE KEY":
			key, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		default:
			continue
		}
		if err != nil {
			return nil, err
		}
		if signer, ok := key.(crypto.Signer); ok {
			return signer, nil
		}
	}
	return nil, errors.New("there is no key in it")
}

func sameKey(public any, key crypto.Signer) bool {
	each, ok := public.(interface{ Equal(crypto.PublicKey) bool })
	return ok && key != nil && each.Equal(key.Public())
}

// identityOf puts a certificate and a key together; a key that can't be read is not its own.
func identityOf(certificate, key []byte) (*identity, error) {
	all, err := parseCertificates(certificate)
	if err != nil {
		return nil, err
	}
	private, _ := parseKey(key)
	return &identity{all[0], sameKey(all[0].PublicKey, private)}, nil
}
