package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"kubeiso.dev/pkg/metadata/seed"
)

// servesSeed is a server with these files, and what reaches it; and how often its use was ended.
func servesSeed(t *testing.T, files map[string]string) (*seed.Seed, reach, *int) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, found := files[strings.TrimPrefix(r.URL.Path, "/")]
		if !found {
			w.WriteHeader(http.StatusNotFound)
			return
		}
		_, _ = w.Write([]byte(text))
	}))
	t.Cleanup(server.Close)
	where, err := url.Parse(server.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	ended := 0
	beyond := func(context.Context) func() ([]seed.Way, error) {
		return func() ([]seed.Way, error) { return []seed.Way{&plainWay{server.Client(), &ended}}, nil }
	}
	return &seed.Seed{Source: "the kernel's command line", URL: where}, beyond, &ended
}

// plainWay is one that counts how often it is closed.
type plainWay struct {
	client *http.Client
	closed *int
}

func (w *plainWay) Open() (*http.Client, error) { return w.client, nil }
func (w *plainWay) Close() error                { *w.closed++; return nil }
func (w *plainWay) String() string              { return "eth0" }

func notElsewhere() (contents, error) { panic("it is not looked for elsewhere") }

func TestASeedIsFetched(t *testing.T) {
	line, beyond, ended := servesSeed(t, map[string]string{
		"meta-data": "instance-id: i-1\nlocal-hostname: there\n", "user-data": "#cloud-config\nssh_authorized_keys: ['" + keyOne + "']\n",
		"network-config": "version: 2\nethernets: {one: {match: {macaddress: '52:54:00:00:00:01'}, addresses: [10.0.0.5/24]}}\n",
		"vendor-data":    "#cloud-config\n",
	})
	held, err := loadSeed(line, beyond, notElsewhere)
	all := image("/").parse(held.files)
	if err != nil || held.faults != nil || all.faults != nil || *ended != 1 {
		t.Fatal(err, held.faults, all.faults, *ended)
	}
	if all.hostname != "there" || len(all.keys) != 1 || len(all.netdevs) != 1 {
		t.Errorf("got %q, %q, %v", all.hostname, all.keys, all.netdevs)
	}
}

func TestALinesOwnNameWins(t *testing.T) {
	line, beyond, _ := servesSeed(t, map[string]string{"meta-data": "instance-id: i-1\nlocal-hostname: there\n# a word\nplace: x\n"})
	line.Name, line.ID = "here", "123"
	held, _ := loadSeed(line, beyond, notElsewhere)
	all := image("/").parse(held.files)
	if all.faults != nil || all.hostname != "here" || all.variables["instance_id"] != "123" {
		t.Errorf("got %q, %v, %v", all.hostname, all.variables, all.faults)
	}
}

func TestALineWithoutAURLIsBesideWhatIsElsewhere(t *testing.T) {
	line := &seed.Seed{Source: "the machine's serial number", Name: "here"}
	for name, elsewhere := range map[string]func() (contents, error){
		"nothing": func() (contents, error) { return contents{}, errNoVolume },
		"a volume": func() (contents, error) {
			return contents{files: map[string][]byte{metaDataFile: []byte("local-hostname: there\n")}}, nil
		},
		"no meta-data": func() (contents, error) {
			return contents{files: map[string][]byte{userDataFile: []byte("#cloud-config\n")}}, nil
		},
	} {
		held, err := loadSeed(line, nil, elsewhere)
		if all := image("/").parse(held.files); err != nil || all.faults != nil || all.hostname != "here" {
			t.Errorf("%s: got %q, %v, %v", name, all.hostname, err, all.faults)
		}
	}
	if _, err := loadSeed(line, nil, func() (contents, error) { return contents{}, errNotZipped }); !errors.Is(err, errNotZipped) {
		t.Errorf("a volume that can't be read: got %v", err)
	}
}

func TestASeedThatIsNotThereIsAFault(t *testing.T) {
	line, beyond, ended := servesSeed(t, map[string]string{"user-data": "#cloud-config\nhostname: there\n"})
	held, err := loadSeed(line, beyond, notElsewhere)
	if err != nil || len(held.faults) != 1 || held.faults[0].Error() != "meta-data: it is not there" || *ended != 1 {
		t.Errorf("got %v, %v, %d", err, held.faults, *ended)
	}
	none := func(context.Context) func() ([]seed.Way, error) {
		return func() ([]seed.Way, error) { return nil, errors.New("eth0: no answer by DHCP") }
	}
	held, err = loadSeed(line, none, notElsewhere)
	if err != nil || len(held.faults) != 1 || !strings.Contains(held.faults[0].Error(), "no answer by DHCP") {
		t.Errorf("got %v, %v", err, held.faults)
	}
}
