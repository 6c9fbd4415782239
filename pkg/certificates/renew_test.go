package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestFreshCertificatesAreLeftAlone(t *testing.T) {
	w := newWorld(t)
	before := w.files()
	for _, age := range []time.Duration{0, 100 * days, 240 * days} {
		w.at = born.Add(age)
		w.keep()
	}
	if !maps.Equal(before, w.files()) || w.told != nil {
		t.Errorf("something was touched, or told: %q", w.told)
	}
}

func TestWhatHasUnderAThirdOfItsLifeLeftIsRenewed(t *testing.T) {
	w := newWorld(t)
	w.at = born.Add(250 * days)
	old, _ := pair{w.path(pki), "apiserver", "ca"}.read()
	w.keep()
	w.good()
	found, _ := pair{w.path(pki), "apiserver", "ca"}.read()
	made := found.certificate
	if left := made.NotAfter.Sub(w.at); left < 364*days || left > 366*days {
		t.Errorf("the new one lives for %v", left)
	}
	if made.Subject.String() != old.certificate.Subject.String() || !slices.Equal(made.DNSNames, old.certificate.DNSNames) ||
		made.IPAddresses[0].String() != "10.0.0.1" || made.SerialNumber.Cmp(old.certificate.SerialNumber) == 0 {
		t.Errorf("the new one is another: %v", made.Subject)
	}
	if info, _ := os.Stat(w.path(pki + "/apiserver.crt")); info.Mode().Perm() != 0o640 {
		t.Errorf("its mode is %v", info.Mode())
	}
	config := w.text(kubernetes + "/admin.conf")
	if !strings.Contains(config, `{server: "https://10.0.0.1:6443"}`) || !strings.Contains(config, "# by hand") {
		t.Errorf("more than the certificate changed:\n%s", config)
	}
	w.heard("certificates renewal ok", "note=renewed: apiserver,", "etcd/peer", "scheduler.conf")
	if len(w.told) != 1 {
		t.Errorf("more was told: %q", w.told)
	}
	before := w.files()
	w.keep()
	if !maps.Equal(before, w.files()) {
		t.Error("the second look renewed them again")
	}
}

func TestANodeThatSleptTooLongHeals(t *testing.T) {
	w := newWorld(t)
	w.at = born.Add(700 * days)
	w.keep()
	w.good()
	link := w.path(kubeletFolder + "/kubelet-client-current.pem")
	found, err := readIdentity(link)
	if err != nil || !found.own || found.certificate.Subject.CommonName != "system:node:one" {
		t.Fatalf("the kubelet's: %v %v", found, err)
	}
	w.trusted("the kubelet's", "ca", found.certificate)
	if target, _ := os.Readlink(link); target != "kubelet-client-"+w.at.Format("2006-01-02-15-04-05")+".pem" {
		t.Errorf("the kubelet's link leads to %s", target)
	}
	w.heard("certificates kubelet ok")
}

func TestTheKubeletRenewsItsOwnWhileItCan(t *testing.T) {
	w := newWorld(t)
	w.at = born.Add(360 * days)
	before := w.text(kubeletFolder + "/kubelet-client-current.pem")
	w.keep()
	if w.text(kubeletFolder+"/kubelet-client-current.pem") != before {
		t.Error("the kubelet's was replaced")
	}
}

func TestAPowerCutBetweenKeyAndCertificate(t *testing.T) {
	w := newWorld(t)
	other, key := w.signed("apiserver", "ca", born, year)
	w.put(pki+"/apiserver.key", key, 0o600)
	w.put(pki+"/apiserver.crt"+aside, other[:100], 0o600)
	w.put(kubernetes+"/admin.conf"+aside, "half", 0o600)
	w.keep()
	w.good()
	w.heard("note=renewed: apiserver")
	if len(w.told) != 1 || strings.Contains(w.told[0], "etcd") {
		t.Errorf("more was renewed than that one: %q", w.told)
	}
	if _, err := os.Stat(w.path(pki + "/apiserver.crt" + aside)); err == nil {
		t.Error("what the power cut left is still there")
	}
}

func TestAFullDiskChangesNothing(t *testing.T) {
	w := newWorld(t)
	w.at = born.Add(300 * days)
	before := w.files()
	w.told = onFullDisk(t, w)
	if !maps.Equal(before, w.files()) {
		t.Error("a full disk changed something")
	}
	w.heard("certificates renewal failed", "apiserver ends on 2027-03-01, and could not be renewed", "the old one is as it was")
	w.keep()
	w.good()
	w.heard("certificates renewal ok", "renewed: apiserver")
}

const fullDisk, atTime = "KUBEISO_FULL_DISK", "KUBEISO_TIME"

// onFullDisk has another process do it, which can write no file beyond 100 bytes, and gives what it told.
func onFullDisk(t *testing.T, w *world) []string {
	t.Helper()
	again := exec.Command(os.Args[0])
	again.Env = append(os.Environ(), fullDisk+"="+w.root, atTime+"="+w.at.Format(time.RFC3339))
	text, err := again.Output()
	if err == nil {
		t.Error("it went well on a full disk")
	}
	return strings.Split(strings.TrimSpace(string(text)), "\n")
}

func TestMain(m *testing.M) {
	root := os.Getenv(fullDisk)
	if root == "" {
		os.Exit(m.Run())
	}
	signal.Ignore(syscall.SIGXFSZ)
	limit := &syscall.Rlimit{Cur: 100, Max: 100}
	at, err := time.Parse(time.RFC3339, os.Getenv(atTime))
	tell := func(words ...string) { fmt.Println(strings.Join(words, " ")) }
	on := node{root: root, now: func() time.Time { return at }, log: os.Stderr, report: tell}
	if errors.Join(err, syscall.Setrlimit(syscall.RLIMIT_FSIZE, limit), on.keep(false)) != nil {
		os.Exit(exitFailure)
	}
	os.Exit(0)
}

func TestAnAuthorityThatIsElsewhereIsTold(t *testing.T) {
	w := newWorld(t)
	w.at = born.Add(300 * days)
	if err := os.Remove(w.path(pki + "/etcd/ca.key")); err != nil {
		t.Fatal(err)
	}
	before := w.text(pki + "/etcd/server.crt")
	w.keep()
	if w.text(pki+"/etcd/server.crt") != before {
		t.Error("it was renewed all the same")
	}
	w.heard("renewal failed", "apiserver-etcd-client, etcd/server, etcd/peer, etcd/healthcheck-client: ends on 2027-03-01, and can't be renewed here", "etcd/ca is not on this node; next:")
	w.heard("renewal ok", "renewed: apiserver, ")
	w.told = nil
	w.keep()
	if w.told != nil {
		t.Errorf("it is told again and again: %q", w.told)
	}
}

func TestAForeignKeyOfAnAuthorityIsNotUsed(t *testing.T) {
	w := newWorld(t)
	w.at = born.Add(300 * days)
	text, _ := encodeKey(w.key())
	w.put(pki+"/ca.key", string(text), 0o600)
	before := w.text(pki + "/apiserver.crt")
	w.keep()
	if w.text(pki+"/apiserver.crt") != before {
		t.Error("it was signed with a foreign key")
	}
	w.heard("renewal failed", "ca.key is not the key of its authority ca.crt")
}

func TestAClockFromBeforeTheAuthorityIsTold(t *testing.T) {
	w := newWorld(t)
	w.at = time.Date(2019, 1, 1, 0, 0, 0, 0, time.UTC)
	before := w.files()
	w.keep()
	if !maps.Equal(before, w.files()) {
		t.Error("a wrong clock made certificates")
	}
	w.heard("renewal failed", "the clock says 2019-01-01", "next: set the clock")
	if strings.Count(w.told[0], "the clock says") != 1 {
		t.Errorf("it is told of each certificate: %q", w.told)
	}
	w.at = born.Add(days)
	w.keep()
	w.heard("certificates renewal ok")
}

func TestCertificatesOfAClockThatWasAheadAreMadeAnew(t *testing.T) {
	w := newWorld(t)
	w.at = born.Add(9 * year)
	w.keep()
	w.at = born.Add(30 * days)
	w.keep()
	w.good()
	w.heard("renewal ok", "apiserver")
}

func TestAnAuthorityThatEndsBoundsWhatItSigns(t *testing.T) {
	w := newWorld(t)
	w.at = born.Add(10*year - 100*days)
	w.keep()
	w.good()
	w.heard("authority failed", "the cluster's authority ca ends on 2036-02-27", "next: make a new one in time")
	before := w.files()
	w.told = nil
	for left := 90 * days; left > days; left -= 10 * days {
		w.at = born.Add(10*year - left)
		w.keep()
	}
	if !maps.Equal(before, w.files()) || w.told != nil {
		t.Errorf("what can't end later is made again and again: %q", w.told)
	}
	w.at = born.Add(10*year + days)
	w.keep()
	w.heard("renewal failed", "apiserver, apiserver-kubelet-client, admin.conf", "its authority authority ca ended on 2036-02-27")
}

func TestOneDamagedFileKeepsNoneOfTheOthers(t *testing.T) {
	for name, text := range map[string]string{"apiserver.crt": "", "apiserver-etcd-client.crt": "-----BEGIN CERT"} {
		w := newWorld(t)
		w.at = born.Add(300 * days)
		w.put(pki+"/"+name, text, 0o644)
		w.keep()
		w.heard("renewal failed", strings.TrimSuffix(name, ".crt")+": can't be read", "next: remove", "kubeadm init phase certs")
		w.heard("renewal ok", "front-proxy-client", "admin.conf")
	}
}

func TestAKubeconfigWithAnotherWayInIsLeftAlone(t *testing.T) {
	w := newWorld(t)
	w.put(kubernetes+"/admin.conf", "users:\n- name: admin\n  user: {exec: {command: sign-in}}\n", 0o600)
	w.at = born.Add(300 * days)
	before := w.text(kubernetes + "/admin.conf")
	w.keep()
	if w.text(kubernetes+"/admin.conf") != before || len(w.told) != 1 {
		t.Errorf("it was touched, or told: %q", w.told)
	}
	w.heard("renewal ok", "super-admin.conf")
}

func TestCertificatesOfADayAreRenewedBeforeTheyEnd(t *testing.T) {
	w := newWorld(t)
	w.makePair("apiserver", "ca", born, days)
	w.at = born.Add(17 * time.Hour)
	w.keep()
	w.heard("renewal ok", "renewed: apiserver")
}

func TestADamagedKubeconfigIsTold(t *testing.T) {
	w := newWorld(t)
	w.put(kubernetes+"/scheduler.conf", "users: [", 0o600)
	w.put(kubernetes+"/admin.conf", "", 0o600)
	w.keep()
	w.heard("renewal failed", "scheduler.conf: can't be read", "admin.conf: can't be read", "kubeadm init phase kubeconfig")
}

// worker is a node with the authority's certificate alone.
func worker(t *testing.T) *world {
	w := newWorld(t)
	ca := w.text(pki + "/ca.crt")
	if err := os.RemoveAll(w.path(pki)); err != nil {
		t.Fatal(err)
	}
	for _, name := range kubeconfigs {
		_ = os.Remove(w.path(kubernetes + "/" + name))
	}
	w.put(pki+"/ca.crt", ca, 0o644)
	return w
}

func TestAWorkerThatSleptTooLongSaysWhatHelps(t *testing.T) {
	w := worker(t)
	w.at = born.Add(100 * days)
	w.keep()
	if w.told != nil {
		t.Errorf("a worker tells %q", w.told)
	}
	w.at = born.Add(400 * days)
	w.keep()
	w.heard("kubelet failed", "was valid until 2027-03-01; next:", "kubeadm kubeconfig user", "--client-name system:node:one")
}

func TestAKubeletWhoseNewCertificateIsDamagedTakesTheOneBefore(t *testing.T) {
	w := worker(t)
	w.put(kubeletFolder+"/kubelet-client-2026-09-01-00-00-00.pem", "", 0o600)
	link := w.path(kubeletFolder + "/kubelet-client-current.pem")
	_ = os.Remove(link)
	if err := os.Symlink("kubelet-client-2026-09-01-00-00-00.pem", link); err != nil {
		t.Fatal(err)
	}
	w.at = born.Add(200 * days)
	w.keep()
	if found, err := readIdentity(link); err != nil || !found.own {
		t.Errorf("the kubelet's is still damaged: %v", err)
	}
}

func TestAKubeletThatStillAsksForItsFirstCertificateHasNone(t *testing.T) {
	for asks, told := range map[bool]int{true: 0, false: 1} {
		w := newWorld(t)
		if err := os.RemoveAll(w.path(kubeletFolder)); err != nil {
			t.Fatal(err)
		}
		if asks {
			w.put(kubernetes+"/bootstrap-kubelet.conf", "", 0o600)
		}
		if w.keep(); len(w.told) != told {
			t.Errorf("while it asks (%v), it was told %q", asks, w.told)
		}
	}
}

func TestANodeWithoutACluster(t *testing.T) {
	told := []string{}
	n := node{root: t.TempDir(), now: time.Now, log: os.Stderr, report: func(words ...string) { told = append(told, words...) }}
	if err := n.keep(true); err != nil || len(told) > 0 {
		t.Errorf("%v, and it tells %q", err, told)
	}
}

func TestTheNodeIsKnownByTheNameInItsCertificate(t *testing.T) {
	w := newWorld(t)
	if name := w.kubeletName(); name != "one" {
		t.Errorf("it is %q", name)
	}
	w.put(kubeletConf, w.text(kubernetes+"/admin.conf"), 0o600) // with the certificate inside the file, as after kubeadm's phase
	if name := w.kubeletName(); name != "one" {
		t.Errorf("it is %q", name)
	}
	for _, text := range []string{"", "users: [{name: x, user: {token: y}}]", "\x00\x00"} {
		w.put(kubeletConf, text, 0o600)
		if name := w.kubeletName(); name != "" {
			t.Errorf("it is %q by %q", name, text)
		}
	}
	if name := (node{root: t.TempDir()}).kubeletName(); name != "" {
		t.Errorf("without a cluster it is %q", name)
	}
}
