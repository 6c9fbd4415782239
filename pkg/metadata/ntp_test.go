package main

import (
	"strings"
	"testing"
)

func TestTimeServersAreForChrony(t *testing.T) {
	all := must(t, map[string]string{"user-data": "#cloud-config\nntp:\n  servers: [ntp.example.org, 192.0.2.7, '2001:db8::7']\n  pools: [0.pool.example.org]\n"})
	want := "server ntp.example.org iburst\nserver 192.0.2.7 iburst\nserver 2001:db8::7 iburst\npool 0.pool.example.org iburst\n"
	if got := all.entries.made[sourcesFile].content; got != want {
		t.Errorf("got %q", got)
	}
	for _, none := range []string{"", "ntp:\n", "ntp: {}\n", "ntp: {enabled: true, servers: []}\n", "ntp: {enabled: false, servers: [a]}\n"} {
		if all := must(t, map[string]string{"user-data": "#cloud-config\n" + none}); all.entries.made[sourcesFile].content != "" {
			t.Errorf("%q: %q", none, all.entries.made[sourcesFile].content)
		}
	}
}

func TestATimeServerIsOneWord(t *testing.T) {
	for _, wrong := range []string{"'a iburst'", "\"a\\nserver b\"", "''", "'-a'", "[a]", "a/b", "'#'"} {
		all := parse(texts(map[string]string{"user-data": "#cloud-config\nntp: {servers: [ok, " + wrong + "]}\nssh_authorized_keys: [" + keyOne + "]\n"}))
		if len(all.faults) != 1 || !strings.Contains(all.faults[0].Error(), "user-data, line 2, ntp.servers[1]") {
			t.Errorf("%s: %v", wrong, all.faults)
		}
		if all.entries.made[sourcesFile].content != "server ok iburst\n" || len(all.keys) != 1 {
			t.Errorf("%s: %q, %q", wrong, all.entries.made[sourcesFile].content, all.keys)
		}
		if all.degrade(); all.entries.made[sourcesFile].content == "" {
			t.Error("a degraded node has no time")
		}
	}
}

func TestWhatElseOfNTPIsAskedForIsWarnedOf(t *testing.T) {
	all := must(t, map[string]string{"user-data": "#cloud-config\nntp: {ntp_client: ntpd, enabled: false}\n"})
	if text := strings.Join(all.warnings, "|"); !strings.Contains(text, "ntp.ntp_client: this node does nothing with it") ||
		!strings.Contains(text, "ntp: a node's clock follows") {
		t.Errorf("got %q", text)
	}
}
