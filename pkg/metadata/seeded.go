package main

import (
	"context"
	"time"

	"go.yaml.in/yaml/v3"

	"kubeiso.dev/pkg/initrd/cpu"
	"kubeiso.dev/pkg/metadata/lease"
	"kubeiso.dev/pkg/metadata/seed"
)

// seedLimit is for all that is fetched, an address included.
const seedLimit = 5 * time.Minute

// reach gives the ways beyond the machine, as often as it is asked: there may be more later.
type reach func(context.Context) func() ([]seed.Way, error)

// byLease are addresses that cards have for the moment.
func byLease(on host) reach {
	return func(ctx context.Context) func() ([]seed.Way, error) {
		cards, err := cardsOf(on)
		asked := lease.Ask(ctx, cards)
		return func() ([]seed.Way, error) {
			if err != nil {
				return nil, err
			}
			leases, err := asked.Leases()
			ways := make([]seed.Way, len(leases))
			for i, each := range leases {
				ways[i] = each
			}
			return ways, err
		}
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
	ctx, cancel := context.WithTimeout(context.Background(), seedLimit)
	defer cancel()
	wanted := seed.Files{Names: []string{metaDataFile, userDataFile, networkFile}, Most: maxFile}
	files, err := from.Fetch(ctx, beyond(ctx), wanted)
	held := contents{source: from.URL.Redacted(), files: files}
	if files == nil {
		held.files = map[string][]byte{}
	}
	if err != nil {
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
