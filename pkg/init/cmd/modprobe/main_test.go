package main

import (
	"reflect"
	"testing"
)

func TestParse(t *testing.T) {
	tests := []struct {
		arguments []string
		want      request
	}{
		{[]string{"-q", "--", "fs-overlay"}, request{modules: []string{"fs-overlay"}, quiet: true}},
		{[]string{"-abq", "a", "b"}, request{modules: []string{"a", "b"}, all: true, quiet: true}},
		{[]string{"--all", "--quiet", "a", "b"}, request{modules: []string{"a", "b"}, all: true, quiet: true}},
		{[]string{"kvm", "nested=1"}, request{modules: []string{"kvm"}}},
		{[]string{"-r", "kvm"}, request{modules: []string{"kvm"}, remove: true}},
		{nil, request{}},
	}
	for _, test := range tests {
		if got := parse(test.arguments); !reflect.DeepEqual(got, test.want) {
			t.Errorf("%v: got %+v", test.arguments, got)
		}
	}
}
