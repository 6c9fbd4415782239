package main

import (
	"fmt"
	"strings"
)

// decoded is a content as its key "encoding" has it.
func decoded(encoding value, content string) (string, error) {
	name, err := encoding.text()
	if err != nil {
		return "", err
	}
	plain, err := unpacked(name, content)
	if err != nil {
		return "", encoding.errorf("%v", err)
	}
	return plain, nil
}

// unpacked is a content as it was before it was encoded. The names of encodings are cloud-init's; without any it is plain.
func unpacked(encoding, content string) (string, error) {
	zipped := false
	switch strings.ToLower(strings.TrimSpace(encoding)) {
	case "", "text/plain":
		return content, nil
	case "b64", "base64":
	case "gz", "gzip", "gz+b64", "gz+base64", "gzip+b64", "gzip+base64":
		zipped = true
	default:
		return "", fmt.Errorf("%q is not known here; text/plain, b64, gz and gz+b64 are", encoding)
	}
	// In a text, what is compressed is in base64 as well, or has YAML's tag !!binary, which was read already.
	var err error
	if !isZipped(content) {
		if content, err = unBase64(content); err != nil {
			return "", fmt.Errorf("the content is no base64: %v", err)
		}
	}
	if !zipped {
		return content, nil
	}
	plain, err := unzipped([]byte(content))
	if err == nil && !isZipped(content) {
		err = errNotZipped
	}
	if err != nil {
		return "", fmt.Errorf("the content can't be unpacked: %w", err)
	}
	return string(plain), nil
}

// isZipped says whether a content begins as gzip's do (RFC 1952).
func isZipped(content string) bool { return strings.HasPrefix(content, "\x1f\x8b") }
