package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/containerd/v2/core/metadata"
	"github.com/opencontainers/go-digest"
	bolt "go.etcd.io/bbolt"

	"kubeiso.dev/pkg/image-store/store"
)

var (
	pause   = toy{"k8s/pause:1", []string{"pause", "label"}}
	api     = toy{"k8s/api:1", []string{"base", "api1"}}
	apiNew  = toy{"k8s/api:1", []string{"base", "api2"}}
	proxy   = toy{"k8s/proxy:1", []string{"base", "proxy"}}
	dns     = toy{"k8s/dns:2", []string{"base", "more", "dns"}}
	own     = toy{"user/own:1", []string{"theirs", "own"}}
	onApi   = toy{"user/on-api:1", []string{"base", "api1", "patch"}}
	onBase  = toy{"user/on-base:1", []string{"base", "patch"}}
	likeDns = toy{"user/dns:2", []string{"base", "more", "dns"}}
)

func TestAnEmptyDiskGetsAllImages(t *testing.T) {
	root := t.TempDir()
	source := medium(t, pause, api, proxy)
	if said, _ := boot(t, source, root); said != "image-seed: 3 images put in place\n" {
		t.Errorf("said %q", said)
	}
	expect(t, root, map[string]toy{"pause": pause, "api": api, "proxy": proxy}, dns)
	if links, real := folders(t, root); len(links) != 5 || real != nil {
		t.Errorf("links %v, folders %v", links, real)
	}
	left, _ := filepath.Glob(filepath.Join(root, "*"))
	if len(left) != 4 { // three plugins' directories and the mark
		t.Errorf("left: %v", left)
	}
}

func TestTheSameMediumChangesNothing(t *testing.T) {
	root := t.TempDir()
	source := medium(t, pause, api)
	boot(t, source, root)
	pull(t, root, own)
	start(t, root, "pod", api)
	check(t, os.MkdirAll(filepath.Join(root, workDirectory, namespace, "pod"), 0o700))
	before, err := os.ReadFile(filepath.Join(root, store.MetadataFile))
	check(t, err)
	if said, _ := boot(t, source, root); said != "image-seed: the images are in place\n" {
		t.Errorf("said %q", said)
	}
	after, err := os.ReadFile(filepath.Join(root, store.MetadataFile))
	check(t, err)
	if !bytes.Equal(before, after) {
		t.Error("the database changed")
	}
	if _, err := os.Stat(filepath.Join(root, workDirectory)); err == nil {
		t.Error("the tasks' work directories of the last boot are left")
	}
	containerd(t, root, func(db *metadata.DB) {
		if _, err := metadata.NewContainerStore(db).Get(inNamespace, "pod"); err != nil {
			t.Error(err)
		}
	})
}

func TestAnotherMediumKeepsWhatOthersBroughtAndForgetsItsOwn(t *testing.T) {
	root := t.TempDir()
	boot(t, medium(t, pause, api, proxy), root)
	for _, image := range []toy{own, onApi, onBase} {
		pull(t, root, image)
	}
	start(t, root, "pod", api)
	start(t, root, "theirs", own)
	said, log := boot(t, medium(t, dns, pause, apiNew), root)
	want := "image-seed: the images of this medium are in place; 2 names of images new or changed, " +
		"3 without their layers removed, 2 containers of before forgotten\n"
	if said != want {
		t.Errorf("said %q", said)
	}
	if !strings.Contains(log, "user/on-api:1 had layers of an earlier medium") {
		t.Errorf("log: %q", log)
	}
	running := map[string]toy{"carried before and now": pause, "changed": apiNew, "new": dns, "brought": own, "on a kept layer": onBase}
	expect(t, root, running, api, proxy, onApi)
	links, real := folders(t, root)
	wanted := []string{}
	for _, layers := range [][]string{{"pause"}, {"pause", "label"}, {"base"}, {"base", "api2"}, {"base", "more"}, {"base", "more", "dns"}} {
		wanted = append(wanted, strings.TrimPrefix(chain(layers...), "sha256:"))
	}
	slices.Sort(wanted)
	if !slices.Equal(links, wanted) || len(real) != 3 { // own's two layers and onBase's patch
		t.Errorf("links %v, folders %v", links, real)
	}
	containerd(t, root, func(db *metadata.DB) {
		containers, err := metadata.NewContainerStore(db).List(inNamespace)
		check(t, err)
		boxes, err := metadata.NewSandboxStore(db).List(inNamespace)
		check(t, err)
		if containers != nil || boxes != nil {
			t.Errorf("containers %v, sandboxes %v", containers, boxes)
		}
	})
}

func TestTheMediumOfBeforeCanComeBack(t *testing.T) {
	root := t.TempDir()
	one, two := medium(t, pause, api, proxy), medium(t, dns, pause, apiNew)
	for range 2 {
		boot(t, one, root)
		expect(t, root, map[string]toy{"one's": api, "both's": pause, "also one's": proxy}, apiNew, dns)
		boot(t, two, root)
		expect(t, root, map[string]toy{"two's": apiNew, "both's": pause, "also two's": dns}, api, proxy)
	}
}

func TestALayerThatWasPulledBeforeStaysAFolder(t *testing.T) {
	root := t.TempDir()
	boot(t, medium(t, pause), root)
	pull(t, root, likeDns)
	boot(t, medium(t, pause, dns), root)
	expect(t, root, map[string]toy{"pulled": likeDns, "carried": dns})
	if links, real := folders(t, root); len(links) != 2 || len(real) != 3 {
		t.Errorf("links %v, folders %v", links, real)
	}
	boot(t, medium(t, pause), root)
	expect(t, root, map[string]toy{"pulled": likeDns, "carried once, but of pulled layers": dns})
}

// A power cut is a stop anywhere: here, wherever the medium can be made to stop it.
func TestAnInterruptedChangeIsMadeUpFor(t *testing.T) {
	for _, missing := range []toy{pause, apiNew, dns} {
		for _, next := range []string{"same", "before"} {
			root := t.TempDir()
			one, two := medium(t, pause, api, proxy), medium(t, dns, pause, apiNew)
			boot(t, one, root)
			pull(t, root, own)
			layer := filepath.Join(two, layers, strings.TrimPrefix(chain(missing.layers...), "sha256:"))
			check(t, os.Rename(layer, layer+".away"))
			var log bytes.Buffer
			s := &seeder{two, root, t.TempDir(), &log, &log}
			check(t, s.unmark())
			all, err := s.stocks(context.Background())
			check(t, err)
			if _, err := s.merge(context.Background(), all); err == nil {
				t.Fatal("no error")
			}
			check(t, os.Rename(layer+".away", layer))
			if next == "same" {
				boot(t, two, root)
				expect(t, root, map[string]toy{"new": dns, "kept": pause, "changed": apiNew, "brought": own}, api, proxy)
			} else {
				boot(t, one, root)
				expect(t, root, map[string]toy{"kept": pause, "old": api, "also old": proxy, "brought": own}, apiNew, dns)
			}
		}
	}
}

func TestAStoreThatIsBrokenIsMadeAnew(t *testing.T) {
	cut := func(name string, size int64) func(root string) error {
		return func(root string) error { return os.Truncate(filepath.Join(root, name), size) }
	}
	scribble := func(name string) func(root string) error {
		return func(root string) error {
			path := filepath.Join(root, name)
			data, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			for n := 2 * 4096; n < len(data); n++ { // all but the two pages on which bolt finds the others
				data[n] = 0xA5
			}
			return os.WriteFile(path, data, 0o600)
		}
	}
	records := store.RecordsFile(snapshotter)
	for why, damage := range map[string]func(root string) error{
		"no metadata":        func(root string) error { return os.Remove(filepath.Join(root, store.MetadataFile)) },
		"no records":         func(root string) error { return os.Remove(filepath.Join(root, records)) },
		"empty metadata":     cut(store.MetadataFile, 0),
		"empty records":      cut(records, 0),
		"half the metadata":  cut(store.MetadataFile, 3*4096),
		"a page of records":  cut(records, 4096),
		"scribbled metadata": scribble(store.MetadataFile),
		"scribbled records":  scribble(records),
		"other metadata": func(root string) error {
			return os.WriteFile(filepath.Join(root, store.MetadataFile), []byte("text"), 0o600)
		},
	} {
		t.Run(why, func(t *testing.T) {
			root := t.TempDir()
			boot(t, medium(t, pause, api), root)
			start(t, root, "pod", api)
			check(t, damage(root))
			boot(t, medium(t, pause, apiNew), root)
			expect(t, root, map[string]toy{"kept": pause, "changed": apiNew}, api)
		})
	}
}

func TestABlobThatIsNotWholeIsWrittenAgain(t *testing.T) {
	root := t.TempDir()
	boot(t, medium(t, pause, api), root)
	check(t, os.Truncate(store.BlobFile(root, digest.FromBytes(pause.config())), 3))
	check(t, os.Remove(store.BlobFile(root, digest.FromBytes(pause.manifest()))))
	boot(t, medium(t, pause, dns), root)
	expect(t, root, map[string]toy{"damaged": pause, "new": dns})
}

func TestANameThatSomebodyTookIsTheMediumsAgain(t *testing.T) {
	root := t.TempDir()
	boot(t, medium(t, pause), root)
	pull(t, root, toy{api.name, own.layers})
	boot(t, medium(t, pause, api), root)
	expect(t, root, map[string]toy{"the medium's": api})
}

func TestAStoreInUseIsLeftAlone(t *testing.T) {
	root := t.TempDir()
	boot(t, medium(t, pause), root)
	db, err := bolt.Open(filepath.Join(root, store.MetadataFile), 0o600, nil)
	check(t, err)
	defer db.Close()
	var out bytes.Buffer
	err = (&seeder{medium(t, api), root, t.TempDir(), &out, &out}).seed(context.Background())
	if err == nil || !strings.Contains(err.Error(), "does containerd run?") {
		t.Errorf("got %v", err)
	}
	if links, _ := folders(t, root); len(links) != 2 {
		t.Errorf("links %v", links)
	}
}

func TestAMediumWithoutImagesIsAnError(t *testing.T) {
	err := (&seeder{t.TempDir(), t.TempDir(), t.TempDir(), nil, nil}).seed(context.Background())
	if err == nil || !strings.Contains(err.Error(), "no images") {
		t.Errorf("got %v", err)
	}
}
