package screen

import (
	"bufio"
	"bytes"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Where things lie on a node, below its root.
const (
	osRelease     = "etc/os-release"
	adminConfig   = "etc/kubernetes/admin.conf"
	kubeletConfig = "etc/kubernetes/kubelet.conf"
	onbootLogs    = "run/log/onboot"
	// configured has a file for each interface that the metadata configured and that is no card left to DHCP (pkg/metadata/write.go).
	configured = "run/config/network/*"
	// login is the service that gives consoles a shell, where the image has one.
	login = "containers/services/*getty"
	// maxTail bounds what is read of a log, in bytes.
	maxTail = 4 << 10
)

// The files of which the SSH service takes root's keys, and those of others, by their names.
var (
	keyFiles  = []string{"root/.ssh/authorized_keys", "run/config/ssh/authorized_keys"}
	userFiles = []string{"etc/ssh/users/*", "run/config/users/*"}
)

// orders are those by which a node makes or joins a cluster without anybody (pkg/kubelet).
var orders = []string{"run/config/kubeadm/init", "run/config/kubeadm/join"}

// facts are what a node is at this moment.
type facts struct {
	name, release, role string
	cards               []card
	// member says that the node belongs to a cluster, controls that it is a part of its control plane.
	member, controls bool
	endpoint         string
	// alone says that the node makes or joins its cluster without anybody.
	alone, login bool
	// user logs in by SSH: root, if anybody does as such.
	user string
}

// card is a network card.
type card struct {
	name, mac string
	cable     bool
	addresses []string
}

// look finds the facts of the node whose files are below root.
func look(root string) facts {
	found := facts{cards: cards(root)}
	found.name, _ = os.Hostname()
	release := keyValues(filepath.Join(root, osRelease))
	found.release, found.role = release["PRETTY_NAME"], release["VARIANT_ID"]
	found.controls = exists(filepath.Join(root, adminConfig))
	found.member = found.controls || exists(filepath.Join(root, kubeletConfig))
	found.endpoint = endpoint(filepath.Join(root, kubeletConfig))
	for _, file := range orders {
		found.alone = found.alone || exists(filepath.Join(root, file))
	}
	found.login = exists(filepath.Join(root, login))
	found.user = whoLogsIn(root)
	return found
}

// whoLogsIn names a user who has keys for SSH: root before all others, who have names of their own; nobody if there is no key.
func whoLogsIn(root string) string {
	for _, file := range keyFiles {
		if exists(filepath.Join(root, file)) {
			return "root"
		}
	}
	var names []string
	for _, pattern := range userFiles {
		files, _ := filepath.Glob(filepath.Join(root, pattern))
		for _, file := range files {
			names = append(names, filepath.Base(file))
		}
	}
	slices.Sort(names)
	return append(names, "")[0]
}

func exists(pattern string) bool {
	found, _ := filepath.Glob(pattern)
	return len(found) > 0
}

// cards gives the network cards, which have a device, and what the node's metadata made of cards, by their names.
func cards(root string) []card {
	class := filepath.Join(root, "sys/class/net")
	named := map[string]bool{}
	devices, _ := filepath.Glob(filepath.Join(class, "*/device"))
	for _, path := range devices {
		named[filepath.Base(filepath.Dir(path))] = true
	}
	made, _ := filepath.Glob(filepath.Join(root, configured, "*"))
	for _, path := range made {
		if name := filepath.Base(path); exists(filepath.Join(class, name, "address")) {
			named[name] = true
		}
	}
	var found []card
	for _, name := range slices.Sorted(maps.Keys(named)) {
		dir := filepath.Join(class, name)
		found = append(found, card{name, line(dir, "address"), line(dir, "carrier") == "1", addresses(name)})
	}
	return found
}

func line(dir, name string) string {
	text, _ := os.ReadFile(filepath.Join(dir, name))
	return strings.TrimSpace(string(text))
}

// addresses gives those by which others can reach the card, each with its network's length.
func addresses(name string) []string {
	found, err := net.InterfaceByName(name)
	if err != nil {
		return nil
	}
	all, _ := found.Addrs()
	var texts []string
	for _, each := range all {
		if network, ok := each.(*net.IPNet); ok && network.IP.IsGlobalUnicast() {
			texts = append(texts, network.String())
		}
	}
	return texts
}

// keyValues reads a file of lines KEY=VALUE (os-release(5)).
func keyValues(path string) map[string]string {
	text, _ := os.ReadFile(path)
	values := map[string]string{}
	for each := range strings.Lines(string(text)) {
		if key, value, found := strings.Cut(strings.TrimSpace(each), "="); found {
			values[key] = strings.Trim(value, `"'`)
		}
	}
	return values
}

// endpoint gives the API server's URL that a kubeconfig names.
func endpoint(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if url, found := strings.CutPrefix(strings.TrimSpace(lines.Text()), "server: "); found {
			return url
		}
	}
	return ""
}

// lastWords gives the last lines of what a step of onboot wrote to its standard error.
func lastWords(root, step string, most int) []string {
	text := tail(filepath.Join(root, onbootLogs, "onboot."+step+".log"))
	lines := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' })
	return lines[max(0, len(lines)-most):]
}

func tail(path string) string {
	file, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return ""
	}
	begin := max(0, info.Size()-maxTail)
	text := make([]byte, info.Size()-begin)
	count, _ := file.ReadAt(text, begin)
	text = text[:count]
	if _, whole, cut := bytes.Cut(text, []byte("\n")); begin > 0 && cut {
		text = whole
	}
	return string(text)
}
