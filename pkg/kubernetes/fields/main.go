// Prints the JSON schema (draft 2020-12) of the configurations of Kubernetes that a recipe may set: the fields that their Go types
// have, under the names that the YAML files have. `kubeiso lock --add` runs it among the pins of each minor version.
package main

import (
	"encoding/json"
	"os"
	"path"
	"reflect"
	"strings"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	proxy "k8s.io/kube-proxy/config/v1alpha1"
	kubelet "k8s.io/kubelet/config/v1beta1"
	kubeadm "k8s.io/kubernetes/cmd/kubeadm/app/apis/kubeadm/v1beta4"
)

type schema = map[string]any

// plain are types that encode themselves in another form than their fields have.
var plain = map[reflect.Type]schema{
	reflect.TypeFor[metav1.Duration]():   {"type": "string", "format": "duration"},
	reflect.TypeFor[metav1.Time]():       {"type": "string", "format": "date-time"},
	reflect.TypeFor[resource.Quantity](): {"type": []string{"string", "number"}, "format": "quantity"},
}

// marshaler is what a type is that writes itself in a form of its own; here each is one word, such as a bootstrap token.
var marshaler = reflect.TypeFor[json.Marshaler]()

// definitions are the struct types met so far, by the names that they have in the schema.
type definitions struct {
	names map[reflect.Type]string
	found schema
}

func main() {
	all := definitions{names: map[reflect.Type]string{}, found: schema{}}
	for _, each := range []any{
		kubeadm.ClusterConfiguration{}, kubeadm.InitConfiguration{}, kubeadm.JoinConfiguration{},
		kubelet.KubeletConfiguration{}, proxy.KubeProxyConfiguration{},
	} {
		all.of(reflect.TypeOf(each))
	}
	writer := json.NewEncoder(os.Stdout)
	writer.SetIndent("", " ")
	if err := writer.Encode(schema{"$schema": "https://json-schema.org/draft/2020-12/schema", "$defs": all.found}); err != nil {
		os.Exit(1)
	}
}

// of gives the schema of values of a type.
func (d *definitions) of(kind reflect.Type) schema {
	if known, found := plain[kind]; found {
		return known
	}
	if kind.Kind() == reflect.Struct && kind.Implements(marshaler) {
		return schema{"type": "string"}
	}
	switch kind.Kind() {
	case reflect.Pointer:
		return d.of(kind.Elem())
	case reflect.Bool:
		return schema{"type": "boolean"}
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64,
		reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return schema{"type": "integer"}
	case reflect.Float32, reflect.Float64:
		return schema{"type": "number"}
	case reflect.String:
		return schema{"type": "string"}
	case reflect.Slice:
		if kind.Elem().Kind() == reflect.Uint8 {
			return schema{"type": "string", "format": "byte"}
		}
		return schema{"type": "array", "items": d.of(kind.Elem())}
	case reflect.Map:
		return schema{"type": "object", "additionalProperties": d.of(kind.Elem())}
	case reflect.Struct:
		return schema{"$ref": "#/$defs/" + d.define(kind)}
	}
	return schema{} // anything
}

// define describes a struct once, and gives the name that it goes by: Go's own, with its package where two have the same.
func (d *definitions) define(kind reflect.Type) string {
	if name, found := d.names[kind]; found {
		return name
	}
	name := kind.Name()
	if _, taken := d.found[name]; taken {
		name = path.Base(kind.PkgPath()) + "." + name
	}
	d.names[kind] = name
	properties := schema{}
	d.found[name] = schema{"type": "object", "properties": properties, "additionalProperties": false}
	d.fields(kind, properties)
	return name
}

func (d *definitions) fields(kind reflect.Type, properties schema) {
	for i := range kind.NumField() {
		field := kind.Field(i)
		name, options, _ := strings.Cut(field.Tag.Get("json"), ",")
		switch {
		case name == "-" || !field.IsExported():
		case name == "" && (field.Anonymous || strings.Contains(options, "inline")):
			d.fields(field.Type, properties)
		case name != "":
			properties[name] = d.of(field.Type)
		}
	}
}
