package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// writeBundle makes a bundle's folder; an empty runtime writes no file.
func writeBundle(t *testing.T, name, config, runtime string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), name)
	err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600))
	if runtime != "" {
		err = errors.Join(err, os.WriteFile(filepath.Join(dir, "runtime.json"), []byte(runtime), 0o600))
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

const config = `{"ociVersion":"1.0.0","process":{"cwd":"/","args":["sh"]},"root":{"path":"rootfs"},
	"annotations":{"org.kubeiso.optional":"true","org.kubeiso.restart":"never"}}`

func TestAServiceIsWantedWhereItsFileIs(t *testing.T) {
	file := filepath.Join(t.TempDir(), "masters")
	wanted := &Bundle{Spec: specs.Spec{Annotations: map[string]string{IfExistsAnnotation: file}}}
	if wanted.Wanted() {
		t.Error("wanted without its file")
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if !wanted.Wanted() || !(&Bundle{}).Wanted() {
		t.Error("not wanted")
	}
	either := &Bundle{Spec: specs.Spec{Annotations: map[string]string{IfExistsAnnotation: file + ".none " + file}}}
	if !either.Wanted() {
		t.Error("not wanted though one of its files is there")
	}
	unless := &Bundle{Spec: specs.Spec{Annotations: map[string]string{UnlessExistsAnnotation: file, IfExistsAnnotation: file}}}
	if unless.Wanted() {
		t.Error("wanted though a file speaks against it")
	}
}

func TestLoad(t *testing.T) {
	runtime := `{"cgroups":["systemreserved"],"mkdir":["/var/lib/x","tmp/y"],"namespace":"other",
		"mounts":[{"type":"tmpfs","source":"tmpfs","destination":"/a","options":["nosuid"]}],
		"interfaces":[{"name":"w0","add":"veth","peer":"w1","createInRoot":true}],
		"bindNS":{"cgroup":"","ipc":"","mnt":"","net":"/run/netns/w","pid":"","user":"","uts":""}}`
	loaded, err := Load(writeBundle(t, "000-w", config, runtime))
	if err != nil {
		t.Fatal(err)
	}
	want := Runtime{
		Cgroups: []string{"systemreserved"}, Mkdir: []string{"/var/lib/x", "tmp/y"}, Namespace: "other",
		Mounts:     []specs.Mount{{Type: "tmpfs", Source: "tmpfs", Destination: "/a", Options: []string{"nosuid"}}},
		Interfaces: []Interface{{Name: "w0", Add: "veth", Peer: "w1", CreateInRoot: true}},
		BindNS:     Namespaces{"cgroup": "", "ipc": "", "mnt": "", "net": "/run/netns/w", "pid": "", "user": "", "uts": ""},
	}
	if !reflect.DeepEqual(loaded.Runtime, want) {
		t.Errorf("got %+v", loaded.Runtime)
	}
	if loaded.Name != "000-w" || !loaded.Optional() || !loaded.NeverRestart() {
		t.Errorf("got %+v", loaded)
	}
	for path, absolute := range map[string]string{"/var/lib/x": "/var/lib/x", "tmp/y": loaded.Dir + "/rootfs/tmp/y"} {
		if got := loaded.absolute(path); got != absolute {
			t.Errorf("%s becomes %s", path, got)
		}
	}
}

func TestLoadProblems(t *testing.T) {
	tests := []struct{ name, config, runtime, problem string }{
		{"no runtime.json", config, "", ""},
		{"broken config", "{", "", "config.json"},
		{"config without process", `{"root":{}}`, "", "no process"},
		{"broken runtime", config, "[", "runtime.json"},
		{"nameless interface", config, `{"interfaces":[{"add":"dummy"}]}`, "no name"},
		{"veth alone", config, `{"interfaces":[{"name":"a","add":"veth"}]}`, "peer"},
		{"odd namespace", config, `{"bindNS":{"time":"/run/t"}}`, `"time"`},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := Load(writeBundle(t, "x", test.config, test.runtime))
			if (err == nil) != (test.problem == "") || err != nil && !strings.Contains(err.Error(), test.problem) {
				t.Errorf("got %v", err)
			}
		})
	}
	if _, err := Load(t.TempDir()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("missing config.json gave %v", err)
	}
}

func TestList(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"010-b", "000-a", "file"} {
		var err error
		if path := filepath.Join(dir, name); name == "file" {
			err = os.WriteFile(path, nil, 0o600)
		} else {
			err = os.Mkdir(path, 0o700)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	got, err := List(dir)
	if err != nil || !reflect.DeepEqual(got, []string{dir + "/000-a", dir + "/010-b"}) {
		t.Errorf("got %v, %v", got, err)
	}
	if got, err := List(dir + "/none"); got != nil || err != nil {
		t.Errorf("missing folder gave %v, %v", got, err)
	}
}

func TestPlan(t *testing.T) {
	tests := []struct {
		name  string
		mount specs.Mount
		want  []call
		adds  bool
	}{
		{"tmpfs", specs.Mount{Source: "tmpfs", Type: "tmpfs"}, []call{{"tmpfs", "tmpfs", 0, ""}}, true},
		{"remount, private", specs.Mount{Options: []string{"remount", "private"}}, []call{{flags: unix.MS_PRIVATE}}, false},
		{"overlay", specs.Mount{Source: "overlay", Type: "overlay", Options: []string{"lowerdir=/l", "upperdir=/u", "workdir=/w"}},
			[]call{{"overlay", "overlay", 0, "lowerdir=/l,upperdir=/u,workdir=/w"}}, true},
		{"bind", specs.Mount{Source: "/s", Options: []string{"bind"}}, []call{{source: "/s", flags: unix.MS_BIND}}, true},
		{"read-only bind", specs.Mount{Source: "/s", Type: "bind", Options: []string{"rbind", "rshared", "ro", "nosuid"}}, []call{
			{source: "/s", flags: unix.MS_BIND | unix.MS_REC},
			{flags: unix.MS_BIND | unix.MS_REMOUNT | unix.MS_RDONLY | unix.MS_NOSUID},
			{flags: unix.MS_SHARED | unix.MS_REC},
		}, true},
		{"options win in order", specs.Mount{Source: "x", Type: "tmpfs", Options: []string{"ro", "noexec", "rw", "size=1m", "mode=755"}},
			[]call{{"x", "tmpfs", unix.MS_NOEXEC, "size=1m,mode=755"}}, true},
		{"remount read-write", specs.Mount{Options: []string{"remount", "rw"}}, []call{{flags: unix.MS_REMOUNT}}, false},
		{"propagation alone", specs.Mount{Options: []string{"shared"}}, []call{{flags: unix.MS_SHARED}}, false},
		{"nothing", specs.Mount{}, nil, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := plan(test.mount)
			if !reflect.DeepEqual(got, test.want) || adds(got) != test.adds {
				t.Errorf("got %+v, adds %v", got, adds(got))
			}
		})
	}
}

func TestNodeMountsAreMadeOnce(t *testing.T) {
	preparer, made := NewPreparer(), 0
	preparer.make = func(specs.Mount, string) (bool, error) {
		time.Sleep(10 * time.Millisecond)
		made++
		return true, nil
	}
	mount := specs.Mount{Destination: "/opt/x", Source: "/s", Options: []string{"bind"}}
	other := specs.Mount{Destination: "/opt/x", Options: []string{"shared"}}
	var group sync.WaitGroup
	for range 3 {
		group.Go(func() {
			if err := preparer.once("/opt/x", mount); err != nil || made == 0 {
				t.Errorf("it went on before the mount was there: %v", err)
			}
		})
	}
	group.Wait()
	if err := preparer.once("/opt/x", other); err != nil || made != 2 {
		t.Errorf("%d mounts, %v", made, err)
	}
	for path, inside := range map[string]bool{
		"/containers/services/a/tmp": true, "/containers/services/ab": false, "/containers/services/a": false, "/opt": false,
	} {
		if isInside(path, "/containers/services/a") != inside {
			t.Errorf("%s inside: %v", path, !inside)
		}
	}
}

func TestPrepareMakesFolders(t *testing.T) {
	outside := t.TempDir()
	loaded, err := Load(writeBundle(t, "x", config, `{"mkdir":["`+outside+`/a/b","var/c"]}`))
	if err != nil {
		t.Fatal(err)
	}
	undo, err := NewPreparer().Prepare(loaded)
	if err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{outside + "/a/b", loaded.Rootfs() + "/var/c"} {
		if !exists(dir) {
			t.Errorf("%s was not made", dir)
		}
	}
	if err := undo(); err != nil {
		t.Error(err)
	}
}

func TestVolumeMounts(t *testing.T) {
	writable := volumeMounts("/v", true)
	if len(writable) != 2 || writable[1].Destination != "/v/merged" || !reflect.DeepEqual(overlayDirs(writable[1]), []string{"/v/tmp/upper", "/v/tmp/work"}) {
		t.Errorf("writable: %+v", writable)
	}
	calls := plan(volumeMounts("/v", false)[0])
	if len(calls) != 2 || calls[0].source != "/v/lower" || calls[1].flags&unix.MS_RDONLY == 0 {
		t.Errorf("read-only: %+v", calls)
	}
}

func TestLimit(t *testing.T) {
	for text, want := range map[string]time.Duration{"": defaultLimit, "soon": defaultLimit, "0": 0, "90": 90 * time.Second} {
		step := &Bundle{Spec: specs.Spec{Annotations: map[string]string{LimitAnnotation: text}}}
		if got := step.Limit(); got != want {
			t.Errorf("%q: got %v", text, got)
		}
	}
}

func TestTheLastStepsMayRunBesideContainerd(t *testing.T) {
	const beside = `{"ociVersion":"1.0.0","process":{"cwd":"/","args":["sh"]},"root":{"path":"rootfs"},
		"annotations":{"org.kubeiso.beside-containerd":"true"}}`
	dir := t.TempDir()
	for name, config := range map[string]string{
		"000-first": beside, "001-seed": `{"annotations":{"org.kubeiso.limit":"1"}}`,
		"002-net": beside, "003-clock": beside,
	} {
		if err := errors.Join(os.MkdirAll(filepath.Join(dir, name), 0o700), os.WriteFile(filepath.Join(dir, name, "config.json"), []byte(config), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	dirs, err := List(dir)
	if err != nil {
		t.Fatal(err)
	}
	before, late := Apart(dirs)
	if len(before) != 2 || filepath.Base(before[1]) != "001-seed" || len(late) != 2 || filepath.Base(late[0]) != "002-net" {
		t.Errorf("before %v, beside %v", before, late)
	}
	if err := os.WriteFile(filepath.Join(dirs[3], "config.json"), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if before, late = Apart(dirs); len(before) != 4 || len(late) != 0 {
		t.Errorf("one that can't be read: before %v, beside %v", before, late)
	}
	if before, late = Apart(nil); len(before)+len(late) != 0 {
		t.Error("no steps")
	}
}

func TestAMountThatFailedIsTriedAgain(t *testing.T) {
	preparer, tries := NewPreparer(), 0
	preparer.make = func(specs.Mount, string) (bool, error) {
		tries++
		return false, unix.EBUSY
	}
	for range 2 {
		if err := preparer.once("/opt/x", specs.Mount{}); !errors.Is(err, unix.EBUSY) {
			t.Errorf("got %v", err)
		}
	}
	if tries != 2 {
		t.Errorf("%d tries", tries)
	}
}
