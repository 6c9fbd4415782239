package main

import (
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// kubelet starts another process whenever a manifest changes, and stops the old one first.
type kubelet struct {
	*world
	seen    map[string]string
	started []string
	next    int
	dead    string // the part that does not come back
	// slow is how often the API server says that it is not ready yet; early are the parts that were started anew meanwhile.
	slow, early, count atomic.Int32
}

// answering is how a part answers to those that ask for nothing else than whether it is ready.
func (k *kubelet) answering(of part) http.Handler {
	return http.HandlerFunc(func(out http.ResponseWriter, asked *http.Request) {
		switch {
		case of.ready == "" || asked.URL.Path != of.ready:
			out.WriteHeader(http.StatusUnauthorized)
		case of.name == "kube-apiserver" && k.slow.Add(-1) >= 0:
			k.early.Store(k.count.Load())
			out.WriteHeader(http.StatusInternalServerError)
		}
	})
}

// foreign is a process that the kubelet's static pods don't have.
const foreign = "7"

func newKubelet(w *world) *kubelet {
	k := &kubelet{world: w, seen: map[string]string{}, next: 100}
	for _, each := range parts {
		server := httptest.NewUnstartedServer(k.answering(each))
		server.Config.ErrorLog = log.New(io.Discard, "", 0) // of who only looks whether it listens
		server.StartTLS()
		w.t.Cleanup(server.Close)
		listener := server.Listener
		text := fmt.Sprintf("apiVersion: v1\nkind: Pod\nmetadata:\n  labels: {component: %s}\n  name: %[1]s\nspec:\n  containers:\n"+
			"  - command:\n    - %[1]s\n    - %s%d\n    - --v=2\n", each.name, each.argument, listener.Addr().(*net.TCPAddr).Port)
		w.put(manifests+"/"+each.name+".yaml", text, 0o600)
		k.seen[each.name] = text
		k.run(each.name)
	}
	return k
}

func (k *kubelet) run(name string) {
	k.next++
	k.put(fmt.Sprintf("proc/%d/cmdline", k.next), "/usr/local/bin/"+name+"\x00--v=2\x00--kubeconfig=/etc/kubernetes/x.conf\x00", 0o444)
}

// sync is what the kubelet does once in a while.
func (k *kubelet) sync() {
	for _, each := range parts {
		text, err := os.ReadFile(k.path(manifests + "/" + each.name + ".yaml"))
		if err != nil || string(text) == k.seen[each.name] {
			continue
		}
		k.seen[each.name] = string(text)
		k.started = append(k.started, each.name)
		k.count.Add(1)
		for _, process := range k.processes(each.name) {
			if process != foreign {
				_ = os.RemoveAll(k.path("proc/" + process))
			}
		}
		if each.name != k.dead {
			k.run(each.name)
		}
	}
}

// during lets the kubelet work while something runs.
func (k *kubelet) during(work func()) {
	over, done := make(chan bool), make(chan bool)
	go func() {
		for {
			select {
			case <-over:
				close(done)
				return
			case <-time.After(5 * time.Millisecond):
				k.sync()
			}
		}
	}()
	work()
	close(over)
	<-done
}

func TestWhatKnowsOldCertificatesIsStartedAnew(t *testing.T) {
	w := newWorld(t)
	k := newKubelet(w)
	w.at = born.Add(300 * days)
	k.during(func() {
		if err := w.node.keep(true); err != nil {
			t.Error(err)
		}
	})
	if want := []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}; !slices.Equal(k.started, want) {
		t.Errorf("started anew: %q", k.started)
	}
	w.heard("certificates restart ok", "note=started anew: etcd, kube-apiserver")
	if text := k.seen["etcd"]; !strings.Contains(text, `kubeiso.dev/certificates: "2026-12-26T12:00:00Z"`) ||
		!strings.Contains(text, "{component: etcd}") || !strings.Contains(text, "- --v=2") {
		t.Errorf("etcd's manifest is now:\n%s", text)
	}
	k.started = nil
	k.during(func() { w.keep() })
	if k.started != nil {
		t.Errorf("again: %q", k.started)
	}
}

func TestWhatNeedsTheAPIServerWaitsUntilThatIsReady(t *testing.T) {
	w := newWorld(t)
	k := newKubelet(w)
	k.slow.Store(5)
	w.at = born.Add(300 * days)
	k.during(func() {
		if err := w.node.keep(true); err != nil {
			t.Error(err)
		}
	})
	if k.slow.Load() >= 0 {
		t.Error("nobody asked the API server often enough")
	}
	if early := k.early.Load(); early != 2 {
		t.Errorf("%d parts were started anew before the API server was ready: etcd and itself are", early)
	}
	if len(k.started) != len(parts) {
		t.Errorf("started anew: %q", k.started)
	}
}

func TestTheNextRenewalStartsThemOnceMore(t *testing.T) {
	w := newWorld(t)
	k := newKubelet(w)
	k.during(func() {
		for _, age := range []time.Duration{300 * days, 600 * days} {
			w.at = born.Add(age)
			if err := w.node.keep(true); err != nil {
				t.Error(err)
			}
		}
	})
	if len(k.started) != 2*len(parts) {
		t.Errorf("started anew: %q", k.started)
	}
	if text := k.seen["etcd"]; strings.Count(text, annotation) != 1 {
		t.Errorf("etcd's manifest is now:\n%s", text)
	}
}

func TestOneThatDoesNotComeBackLeavesTheOthersRunning(t *testing.T) {
	w := newWorld(t)
	k := newKubelet(w)
	k.dead = "kube-apiserver"
	w.at = born.Add(300 * days)
	k.during(func() {
		if err := w.node.keep(true); err == nil {
			t.Error("nothing was missed")
		}
	})
	if want := []string{"etcd", "kube-apiserver"}; !slices.Equal(k.started, want) {
		t.Errorf("started anew: %q", k.started)
	}
	w.heard("certificates restart failed", "kube-apiserver has new certificates", "no new one runs", "next:")
	k.dead = ""
	k.run("kube-apiserver")
	w.at = w.at.Add(time.Hour)
	k.during(func() {
		if err := w.node.keep(true); err != nil {
			t.Error(err)
		}
	})
	if k.started[len(k.started)-1] != "kube-scheduler" {
		t.Errorf("the rest was not started anew: %q", k.started)
	}
	w.heard("certificates restart ok")
}

func TestBeforeTheKubeletStartsNothingHasToBeStartedAnew(t *testing.T) {
	w := newWorld(t)
	w.at = born.Add(400 * days)
	w.keep()
	k := newKubelet(w)
	k.during(func() {
		if err := w.node.keep(true); err != nil {
			t.Error(err)
		}
	})
	if k.started != nil {
		t.Errorf("started anew: %q", k.started)
	}
}

func TestAServiceThatEndedBetweenRenewalAndRestart(t *testing.T) {
	w := newWorld(t)
	k := newKubelet(w)
	w.at = born.Add(300 * days)
	w.keep() // the pods run on while their kubelet starts anew
	k.during(func() {
		if err := w.node.keep(true); err != nil {
			t.Error(err)
		}
	})
	if len(k.started) != len(parts) {
		t.Errorf("started anew: %q", k.started)
	}
}

func TestAKubeletThatRunsGetsItsCertificateByARestart(t *testing.T) {
	w := newWorld(t)
	w.at = born.Add(400 * days)
	if err := w.node.keep(true); err != nil {
		t.Error(err)
	}
	w.heard("restart kubelet")
}

func TestAnEtcdOfAUserIsNotWaitedFor(t *testing.T) {
	w := newWorld(t)
	k := newKubelet(w)
	w.put("proc/"+foreign+"/cmdline", "/usr/bin/etcd\x00--data-dir=/data\x00", 0o444)
	w.at = born.Add(300 * days)
	k.during(func() {
		if err := w.node.keep(true); err != nil {
			t.Error(err)
		}
	})
	if len(k.started) != len(parts) {
		t.Errorf("started anew: %q", k.started)
	}
}

func TestTwoAtOnceStartEachPartAnewOnce(t *testing.T) {
	w := newWorld(t)
	k := newKubelet(w)
	w.at = born.Add(300 * days)
	k.during(func() {
		both := make(chan error)
		for range 2 {
			go func() { both <- w.node.keep(true) }()
		}
		if err := errors.Join(<-both, <-both); err != nil {
			t.Error(err)
		}
	})
	if len(k.started) != len(parts) {
		t.Errorf("started anew: %q", k.started)
	}
}

func TestWords(t *testing.T) {
	for _, words := range [][]string{nil, {"renew", "x"}, {"renew", "-x"}, {"other"}} {
		if err := run(words); err != errUsage {
			t.Errorf("%q: %v", words, err)
		}
	}
}
