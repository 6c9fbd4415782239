package main

import (
	"slices"
	"strings"
	"testing"
)

const metaOfInstance = "instance-id: i-1\nlocal-hostname: master-0\nplace: {rack: r7}\n"

// As Cluster API's provider for kubeadm has it for the first machine of a control plane.
const firstMachine = `## template: jinja
#cloud-config

write_files:
-   path: /etc/kubernetes/pki/ca.crt
    owner: root:root
    permissions: '0640'
    content: |
      authority
-   path: /run/kubeadm/kubeadm.yaml
    owner: root:root
    permissions: '0640'
    content: |
      ---
      apiVersion: kubeadm.k8s.io/v1beta4
      kind: ClusterConfiguration
      kubernetesVersion: v1.36.3
      clusterName: fleet
      apiServer: {certSANs: [192.0.2.1]}
      ---
      apiVersion: kubeadm.k8s.io/v1beta4
      kind: InitConfiguration
      nodeRegistration:
        name: '{{ ds.meta_data.local_hostname }}'
        kubeletExtraArgs:
        - {name: v, value: "{{ v1.instance_id }}"}
        - {name: provider-id, value: "kubeiso://{{ ds.meta_data["place"]["rack"] }}/{{ local_hostname }}"}
-   path: /run/cluster-api/placeholder
    owner: root:root
    permissions: '0640'
    content: "This placeholder file is used to create the sub directory"
-   path: /var/lib/thing
    append: true
    content: "more\n"
bootcmd: [[modprobe, "a b"]]
runcmd:
  - "echo before"
  - 'kubeadm init --config /run/kubeadm/kubeadm.yaml -v 5 && echo success > /run/cluster-api/bootstrap-success.complete'
  - "echo after"
users:
- default
- {name: ops, sudo: "ALL=(ALL) NOPASSWD:ALL", ssh_authorized_keys: [KEY]}
- {name: guest, ssh_authorized_keys: [OTHER]}
`

func onMaster(files map[string]string) *wanted { return image("testdata/node").parse(texts(files)) }

func TestACloudConfigOfClusterAPIBecomesTheNodesOwnOrders(t *testing.T) {
	user := strings.NewReplacer("KEY", keyOne, "OTHER", keyTwo).Replace(firstMachine)
	all := onMaster(map[string]string{"meta-data": metaOfInstance, "user-data": user})
	if err := all.failure(); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{
		"instance/id":     "i-1\n",
		"instance/boot":   "#!/bin/sh\n'modprobe' 'a b'\n",
		"instance/before": "#!/bin/sh\necho before\n",
		"instance/after":  "#!/bin/sh\necho success > /run/cluster-api/bootstrap-success.complete\necho after\n",
		"instance/files/run/cluster-api/placeholder": "This placeholder file is used to create the sub directory",
		"instance/append/var/lib/thing":              "more\n",
		"kubeadm/pki/ca.crt":                         "authority\n",
		"kubeadm/init":                               "-v 5",
		"hostname":                                   "master-0\n",
		"ssh/authorized_keys":                        keyOne + "\n",
		"users/ops":                                  keyOne + "\n",
	}
	for path, text := range want {
		if got := all.entries.made[path].content; got != text {
			t.Errorf("%s: got %q, want %q", path, got, text)
		}
	}
	config, err := documents([]byte(all.entries.made["kubeadm/kubeadm.yaml"].content))
	if err != nil {
		t.Fatal(err)
	}
	node := config["InitConfiguration"]["nodeRegistration"].(document)
	arguments := map[any]any{}
	for _, each := range node["kubeletExtraArgs"].([]any) {
		arguments[nameOf(each)] = each.(document)["value"]
	}
	cluster := config["ClusterConfiguration"]
	if node["name"] != "master-0" || node["criSocket"] != "unix:///run/containerd/containerd.sock" || arguments["hostname-override"] != "ours" ||
		arguments["v"] != "i-1" || arguments["provider-id"] != "kubeiso://r7/master-0" || len(arguments) != 3 {
		t.Errorf("got %v", node)
	}
	if cluster["clusterName"] != "fleet" || cluster["dns"].(document)["imageTag"] != "v1.2" || len(cluster["apiServer"].(document)["certSANs"].([]any)) != 1 {
		t.Errorf("got %v", cluster)
	}
	if config["KubeletConfiguration"]["cgroupDriver"] != "systemd" {
		t.Errorf("got %v", config)
	}
	warned := strings.Join(all.warnings, "\n")
	if len(all.warnings) != 2 || strings.Contains(warned, "ops") || !strings.Contains(warned, "guest may not become root") {
		t.Errorf("warnings: %q", all.warnings)
	}
	if len(all.keys) != 1 {
		t.Errorf("keys: %q", all.keys)
	}
}

func TestAJoinHasTheImagesConfigurationForIt(t *testing.T) {
	user := `#cloud-config
write_files:
- {path: /run/kubeadm/join.yaml, content: "{apiVersion: kubeadm.k8s.io/v1beta4, kind: JoinConfiguration, discovery: {tlsBootstrapToken: t}}"}
runcmd: ["kubeadm join --config=/run/kubeadm/join.yaml"]
`
	all := onMaster(map[string]string{"user-data": user})
	if err := all.failure(); err != nil {
		t.Fatal(err)
	}
	config, err := documents([]byte(all.entries.made["kubeadm/kubeadm.yaml"].content))
	if err != nil || len(config) != 1 || config["JoinConfiguration"]["nodeRegistration"] == nil || config["JoinConfiguration"]["discovery"] == nil {
		t.Errorf("got %v, %v", config, err)
	}
	if _, ordered := all.entries.made["kubeadm/join"]; !ordered {
		t.Error("there is no order to join")
	}
	if id := all.entries.made["instance/id"].content; !strings.HasPrefix(id, "sha256:") {
		t.Errorf("without an instance-id it is %q", id)
	}
}

func TestCommandsThatRunNoKubeadmOfTheMetadataStandAsTheyAre(t *testing.T) {
	for _, line := range []string{
		"kubeadm init", "kubeadm init --config /elsewhere.yaml", "kubeadm join --config $(ls)", "echo kubeadm init", "kubeadm reset --force",
	} {
		all := onMaster(map[string]string{"user-data": "#cloud-config\nruncmd: ['" + line + "', [a, \"it's\"]]\n"})
		if got, want := all.entries.made["instance/before"].content, "#!/bin/sh\n"+line+"\n'a' 'it'\\''s'\n"; got != want || all.failure() != nil {
			t.Errorf("%s: got %q, %v", line, got, all.failure())
		}
		if _, made := all.entries.made["kubeadm/init"]; made {
			t.Errorf("%s is an order", line)
		}
	}
}

func TestAnEtcdElsewhereTakesThePlaceOfTheNodesOwn(t *testing.T) {
	const text = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: InitConfiguration\n---\napiVersion: kubeadm.k8s.io/v1beta4\nkind: ClusterConfiguration\n" +
		"etcd: {external: {endpoints: [https://192.0.2.1:2379]}}\n"
	made, err := image("testdata/node").merged("init", entry{content: text})
	if err != nil || strings.Contains(made, "local:") || !strings.Contains(made, "https://192.0.2.1:2379") {
		t.Errorf("got %s, %v", made, err)
	}
}

func TestAConfigurationThatDoesNotFitTheImageIsTold(t *testing.T) {
	const head = "apiVersion: kubeadm.k8s.io/v1beta4\nkind: "
	for _, test := range []struct{ verb, config, want string }{
		{"init", head + "ClusterConfiguration\nkubernetesVersion: v1.36.3\n", "it has no InitConfiguration"},
		{"init", head + "InitConfiguration\n---\n" + head + "ClusterConfiguration\nkubernetesVersion: v1.35.1\n", "kubernetesVersion is v1.35.1, and this node's is v1.36.3"},
		{"init", "apiVersion: kubeadm.k8s.io/v1beta3\nkind: InitConfiguration\n", "apiVersion is kubeadm.k8s.io/v1beta3, and this node's is"},
		{"init", head + "InitConfiguration\n---\n" + head + "InitConfiguration\n", "InitConfiguration is there twice"},
		{"init", "a: b\n", "a document has no kind"},
		{"join", "a: [", "did not find expected"},
	} {
		_, err := image("testdata/node").merged(test.verb, entry{content: test.config, from: "user-data"})
		if err == nil || !strings.Contains(err.Error(), test.want) || !isMistake(err) {
			t.Errorf("%q: got %v, want %q", test.config, err, test.want)
		}
	}
	_, err := image("testdata/none").merged("init", entry{content: head + "InitConfiguration\n"})
	if err == nil || !strings.Contains(err.Error(), "a worker's, and only a master makes a cluster") {
		t.Errorf("got %v", err)
	}
}

func TestMistakesInTemplates(t *testing.T) {
	for text, want := range map[string]string{
		"a: {{ ds.meta_data.rack }}":          "user-data, line 3: {{ ds.meta_data.rack }}: meta-data has no such thing",
		"a: {{ local_hostname | upper }}":     "without filters",
		"{% if true %}\na: b\n{% endif %}":    "user-data, line 3: a statement of Jinja",
		"a: {{ local_hostname }} {{ v1.no }}": "{{ v1.no }}",
	} {
		all := onMaster(map[string]string{"meta-data": metaOfInstance, "user-data": "## template: jinja\n#cloud-config\n" + text + "\n"})
		if len(all.faults) != 1 || !strings.Contains(all.faults[0].Error(), want) {
			t.Errorf("%q: got %v, want %q", text, all.faults, want)
		}
	}
}

func TestFilesOfOnePathAreOneWhereTheLaterIsAppended(t *testing.T) {
	all := must(t, map[string]string{"user-data": `#cloud-config
write_files:
- {path: /run/config/x, content: a}
- {path: /run/config/x, content: b, append: true}
- {path: /opt/y, content: c}
- {path: /opt/y, content: d, append: true}
- {path: /opt/z, content: e, append: true}
- {path: /opt/z, content: f, append: true}
`})
	for path, want := range map[string]string{"x": "ab", "instance/files/opt/y": "cd", "instance/append/opt/z": "ef"} {
		if got := all.entries.made[path].content; got != want {
			t.Errorf("%s: got %q", path, got)
		}
	}
	if all.warnings != nil {
		t.Errorf("warnings: %q", all.warnings)
	}
}

func FuzzParse(f *testing.F) {
	for _, each := range []string{firstMachine, proxmox, maas, madeOfOthers, fullConfig, "{}", `{"a": {"content": "b"}}`, metaOfInstance} {
		f.Add([]byte(each), []byte(metaOfInstance))
	}
	f.Fuzz(func(t *testing.T, text, meta []byte) {
		all := image("testdata/node").parse(map[string][]byte{"user-data": text, "network-config": text, "meta-data": meta})
		for path := range all.entries.made {
			if strings.HasPrefix(path, "/") || slices.Contains(strings.Split(path, "/"), "..") {
				t.Errorf("%q leads out of /run/config", path)
			}
		}
	})
}
