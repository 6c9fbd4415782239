// Package paper is what a console writes on in tests.
package paper

import (
	"bytes"
	"sync"
)

// Paper keeps what several writers write. Its zero value is blank.
type Paper struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (p *Paper) Write(data []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.Write(data)
}

func (p *Paper) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.text.String()
}
