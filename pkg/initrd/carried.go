package main

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

	"kubeiso.dev/pkg/initrd/console"
)

// carried says whether the layers came with the initramfs: a machine that boots over the network gets them so.
func (c config) carried(root string) bool {
	_, err := os.Stat(filepath.Join(root, c.Layers[0]))
	return err == nil
}

// verify compares each layer below from with its digest, all at once. What came over a network may be cut short, of another build, or
// changed on its way.
func (c config) verify(out *console.Console, from string) error {
	stage := out.Begin("layers", "").Announce()
	failures := make([]error, len(c.Layers))
	var group sync.WaitGroup
	for number, layer := range c.Layers {
		group.Go(func() { failures[number] = verifyFile(filepath.Join(from, layer), c.Digests[number]) })
	}
	group.Wait()
	for _, err := range failures {
		if err != nil {
			return stage.End(err, nil)
		}
	}
	return stage.End(nil, console.Fields{"layers": len(c.Layers)})
}

func verifyFile(path, digest string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return err
	}
	if found := hex.EncodeToString(sum.Sum(nil)); found != digest {
		return fmt.Errorf("%s has the SHA-256 digest %s where %s was expected: it was cut short, is of another build, or was changed",
			filepath.Base(path), found, digest)
	}
	return nil
}
