package seed

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// machine has a kernel's command line and words of its own.
func machine(t *testing.T, line string, words map[string]string) (proc, sys string) {
	t.Helper()
	proc, sys = t.TempDir(), t.TempDir()
	folder := filepath.Join(sys, "class/dmi/id")
	if err := errors.Join(os.MkdirAll(folder, 0o755), os.WriteFile(filepath.Join(proc, "cmdline"), []byte(line+"\n"), 0o600)); err != nil {
		t.Fatal(err)
	}
	for name, text := range words {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return proc, sys
}

func TestWhatAMachineSays(t *testing.T) {
	words := map[string]string{"product_serial": "AB 12", "product_uuid": "u-1"}
	for _, test := range []struct {
		line, serial          string
		source, url, name, id string
	}{
		{line: "quiet ds=nocloud;s=http://10.0.2.2:8000/n1/", source: "line", url: "http://10.0.2.2:8000/n1/"},
		{line: "ds=nocloud-net;seedfrom=https://h/n1;h=node-1;i=i-1", source: "line", url: "https://h/n1/", name: "node-1", id: "i-1"},
		{line: "ds=nocloud;h=node-1", source: "line", name: "node-1"},
		{line: "ds=nocloud;s=http://h/__dmi.system-serial-number__/__dmi.system-uuid__", source: "line", url: "http://h/AB%2012/u-1/"},
		{line: "ds=nocloud;s=http://h/?file=", source: "line", url: "http://h/?file="},
		{serial: "ds=nocloud;s=http://h/", source: "serial", url: "http://h/"},
		{line: "ds=nocloud;h=by-line", serial: "ds=nocloud;h=by-serial", source: "line", name: "by-line"},
		{line: "ds=ec2"}, {line: "ds=nocloud"}, {line: "x=ds=nocloud;h=y"}, {serial: "AB12"}, {serial: "xds=nocloud;h=y"},
	} {
		if words["product_serial"] = test.serial; test.serial == "" {
			words["product_serial"] = "AB 12"
		}
		got, err := Of(machine(t, test.line, words))
		if err != nil || (got == nil) != (test.source == "") {
			t.Errorf("%+v: got %v, %v", test, got, err)
			continue
		}
		if got == nil {
			continue
		}
		where := ""
		if got.URL != nil {
			where = got.URL.String()
		}
		if !strings.Contains(got.Source, test.source) || where != test.url || got.Name != test.name || got.ID != test.id {
			t.Errorf("%+v: got %+v, %s", test, got, where)
		}
	}
}

func TestWhatAMachineSaysWrong(t *testing.T) {
	for line, wanted := range map[string]string{
		"ds=nocloud;s=file:///seed/":                 "s=file:///seed/: a node fetches from http://HOST/... and https",
		"ds=nocloud;s=/seed/":                        "a node fetches from http",
		"ds=nocloud;s=http:///":                      "a node fetches from http",
		"ds=nocloud;s=http://[::1/":                  "missing ']'",
		"ds=nocloud;x=y":                             "x=y: this is not known to a node; s, h and i are",
		"ds=nocloud;s=http://h/__dmi.colour__/":      "__dmi.colour: no word of this machine is called so",
		"ds=nocloud;s=http://h/__dmi.system-uuid":    "no word of this machine is called so",
		"ds=nocloud;h=__dmi.chassis-serial-number__": "__dmi.chassis-serial-number__: this machine has none",
	} {
		if _, err := Of(machine(t, line, nil)); err == nil || !strings.Contains(err.Error(), wanted) || !strings.Contains(err.Error(), "command line") {
			t.Errorf("%s: got %v, wanted %q", line, err, wanted)
		}
	}
}

// serve is a server with these answers, one after another, and a seed that leads to it.
func serve(t *testing.T, path string, answers ...func(http.ResponseWriter, *http.Request)) (*Seed, *int) {
	t.Helper()
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		answers[min(asked, len(answers))-1](w, r)
	}))
	t.Cleanup(server.Close)
	where, err := location(server.URL+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &Seed{URL: where}, &asked
}

func says(text string) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(text)) }
}

func status(code int) func(http.ResponseWriter, *http.Request) {
	return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(code) }
}

// breaksOff promises more than it gives.
func breaksOff(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Length", "100")
	_, _ = w.Write([]byte("half"))
}

func noSleep(time.Duration) {}

// road is a way; one that is blocked leads nowhere.
type road struct {
	name            string
	blocked, closed bool
	opened          int
}

func (r *road) Open() (*http.Client, error) {
	r.opened++
	if r.closed {
		return nil, errors.New("no address")
	}
	if r.blocked {
		return &http.Client{Transport: &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) {
			return nil, errors.New("network is unreachable")
		}}}, nil
	}
	return http.DefaultClient, nil
}

func (r *road) Close() error   { r.opened--; return nil }
func (r *road) String() string { return r.name }

// along are these ways, all there from the first.
func along(roads ...Way) func() ([]Way, error) { return func() ([]Way, error) { return roads, nil } }

var one = Files{Names: []string{"meta-data"}, Most: 1 << 20}

func TestFetch(t *testing.T) {
	for name, test := range map[string]struct {
		answers []func(http.ResponseWriter, *http.Request)
		wanted  string
		asked   int
	}{
		"at once":             {answers: []func(http.ResponseWriter, *http.Request){says("x")}, wanted: "x", asked: 1},
		"a server in trouble": {answers: []func(http.ResponseWriter, *http.Request){status(503), status(429), says("x")}, wanted: "x", asked: 3},
		"one that breaks off": {answers: []func(http.ResponseWriter, *http.Request){breaksOff, says("whole")}, wanted: "whole", asked: 2},
		"not there":           {answers: []func(http.ResponseWriter, *http.Request){status(404)}, wanted: "it is not there", asked: 1},
		"forbidden":           {answers: []func(http.ResponseWriter, *http.Request){status(403)}, wanted: "the server says 403 Forbidden", asked: 1},
		"always in trouble":   {answers: []func(http.ResponseWriter, *http.Request){status(500)}, wanted: "the server says 500 Internal Server Error", asked: tries},
		"too large":           {answers: []func(http.ResponseWriter, *http.Request){says(strings.Repeat("x", 2<<20))}, wanted: "it is larger than 1 MiB", asked: 1},
	} {
		from, asked := serve(t, "/n1/", test.answers...)
		files, err := from.fetch(context.Background(), along(&road{name: "eth0"}), one, noSleep)
		got := string(files["meta-data"])
		if err != nil {
			got = err.Error()
		}
		if !strings.HasSuffix(got, test.wanted) || *asked != test.asked {
			t.Errorf("%s: got %q after %d, wanted %q after %d", name, got, *asked, test.wanted, test.asked)
		}
	}
}

func TestWhereAFileLies(t *testing.T) {
	for path, wanted := range map[string]string{"/n1": "/n1/user-data", "/": "/user-data", "/?id=7&file=": "/?id=7&file=user-data"} {
		asked := ""
		from, _ := serve(t, path, func(_ http.ResponseWriter, r *http.Request) { asked = r.URL.String() })
		if _, err := from.Fetch(context.Background(), along(&road{}), Files{Names: []string{"user-data"}, Most: 1}); err != nil || asked != wanted {
			t.Errorf("%s: asked for %q, %v", path, asked, err)
		}
	}
}

func TestTheWayThatLeadsThereIsFound(t *testing.T) {
	from, _ := serve(t, "/", says("x"))
	roads := []*road{{name: "eth0", blocked: true}, {name: "eth1", closed: true}, {name: "eth2"}, {name: "eth3", blocked: true}}
	found, err := from.fetch(context.Background(), along(roads[0], roads[1], roads[2], roads[3]), one, noSleep)
	if err != nil || string(found["meta-data"]) != "x" || roads[3].opened != 0 {
		t.Errorf("got %q, %v; after it was there, another way was opened %d times", found, err, roads[3].opened)
	}
	if roads[0].opened != 0 || roads[2].opened != 0 {
		t.Error("a way is left open")
	}
}

func TestAWayThatComesLaterIsTaken(t *testing.T) {
	from, _ := serve(t, "/", says("x"))
	there := []Way{&road{name: "eth0", blocked: true}}
	found, err := from.fetch(context.Background(), func() ([]Way, error) { return there, nil }, one, func(time.Duration) {
		there = append(there, &road{name: "eth1"})
	})
	if err != nil || string(found["meta-data"]) != "x" {
		t.Errorf("got %q, %v", found, err)
	}
}

func TestWhereNoWayLeadsThereEachIsTold(t *testing.T) {
	from, asked := serve(t, "/", says("x"))
	_, err := from.fetch(context.Background(), along(&road{name: "eth0", blocked: true}, &road{name: "eth1", closed: true}), one, noSleep)
	if err == nil || !strings.Contains(err.Error(), "eth0: meta-data: network is unreachable") || !strings.Contains(err.Error(), "eth1: no address") || *asked > 0 {
		t.Errorf("got %v", err)
	}
	_, err = from.fetch(context.Background(), func() ([]Way, error) { return nil, errors.New("no card") }, one, noSleep)
	if err == nil || err.Error() != "no card" {
		t.Errorf("got %v", err)
	}
}

func TestAnErrorHasNoSecretOfTheURL(t *testing.T) {
	where, _ := location("http://user:secret@127.0.0.1:1/", nil)
	_, err := (&Seed{URL: where}).fetch(context.Background(), along(&road{}), one, noSleep)
	if err == nil || strings.Contains(err.Error(), "secret") || !strings.Contains(err.Error(), "refused") {
		t.Errorf("got %v", err)
	}
}

func TestTimeThatIsOverEndsTheTries(t *testing.T) {
	from, asked := serve(t, "/", status(500))
	ctx, cancel := context.WithCancel(context.Background())
	_, err := from.fetch(ctx, along(&road{}), one, func(time.Duration) { cancel() })
	if err == nil || *asked > 2 {
		t.Errorf("got %v after %d", err, *asked)
	}
}
