package main

import (
	"context"
	"errors"
	"net"
	"net/http"
	"time"

	"go.yaml.in/yaml/v3"

	"kubeiso.dev/pkg/initrd/cpu"
	"kubeiso.dev/pkg/metadata/lease"
	"kubeiso.dev/pkg/metadata/seed"
)

// seedLimit is for all that is fetched, an address included.
const seedLimit = 5 * time.Minute

// reach gives a client for what lies beyond the machine, and what ends its use.
type reach func(context.Context) (*http.Client, func() error, error)

// byLease reaches it by an address that a card has for the moment.
func byLease(on host) reach {
	return func(ctx context.Context) (*http.Client, func() error, error) {
		cards, err := cardsOf(on)
		if err != nil {
			return nil, nil, err
		}
		taken, err := lease.Take(ctx, cards)
		if err != nil {
			return nil, nil, err
		}
		dialer := &net.Dialer{Resolver: taken.Resolver()}
		return &http.Client{Transport: &http.Transport{DialContext: dialer.DialContext}}, taken.Drop, nil
	}
}

// cardsOf gives the names of the machine's network cards, once there is one.
func cardsOf(on host) (cards []string, err error) {
	for begin := time.Now(); ; time.Sleep(linkPause) {
		links, err := on.links()
		if err != nil {
			return nil, err
		}
		for _, each := range links {
			if each.plain {
				cards = append(cards, each.name)
			}
		}
		if cards != nil || cpu.Over(begin, linkTimeout) {
			return cards, nil
		}
	}
}

// fetchSeed fetches NoCloud's files; its meta-data must be there.
func fetchSeed(from *seed.Seed, beyond reach) contents {
	held := contents{source: from.URL.Redacted(), files: map[string][]byte{}}
	ctx, cancel := context.WithTimeout(context.Background(), seedLimit)
	defer cancel()
	client, done, err := beyond(ctx)
	if err != nil {
		held.faults = append(held.faults, err)
		return held
	}
	for _, name := range []string{metaDataFile, userDataFile, networkFile} {
		text, err := from.Fetch(ctx, client, name, maxFile)
		if errors.Is(err, seed.ErrMissing) && name != metaDataFile {
			continue
		}
		if err != nil {
			held.faults = append(held.faults, &mistake{file: name, text: err.Error()})
			if !errors.Is(err, seed.ErrMissing) { // neither would the others come
				break
			}
			continue
		}
		held.files[name] = text
	}
	if err := done(); err != nil {
		held.faults = append(held.faults, err)
	}
	return held
}

// say puts the name and the id that the machine's own line has over those of the metadata.
func (c *contents) say(from *seed.Seed) {
	var document yaml.Node
	text := c.files[metaDataFile]
	if yaml.Unmarshal(text, &document) != nil {
		return // told when it is read
	}
	if len(document.Content) == 0 {
		document = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode}}}
	}
	root := document.Content[0]
	if root.Kind != yaml.MappingNode {
		return
	}
	for _, each := range []struct{ key, value string }{{"local-hostname", from.Name}, {"instance-id", from.ID}} {
		if each.value != "" {
			cutKey(root, each.key)
			name, value := &yaml.Node{}, &yaml.Node{}
			name.SetString(each.key)
			value.SetString(each.value)
			root.Content = append(root.Content, name, value)
		}
	}
	made, err := yaml.Marshal(&document)
	if err != nil {
		c.faults = append(c.faults, err)
		return
	}
	c.files[metaDataFile] = made
}
