package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// mistake is an error in what the author of the metadata wrote: the file, the line, the way of keys to the place, and what
// is wrong there.
type mistake struct {
	file, path string
	line       int
	text       string
}

func (m *mistake) Error() string {
	where := m.file
	if m.line > 0 {
		where += fmt.Sprintf(", line %d", m.line)
	}
	if m.path != "" {
		where += ", " + m.path
	}
	return where + ": " + m.text
}

// value is a node of a YAML document and the way to it.
type value struct {
	file, path string
	node       *yaml.Node
}

// parseYAML reads a file with one document; found is false if there is nothing in it.
func parseYAML(file string, text []byte) (root value, found bool, err error) {
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	var document yaml.Node
	if err := decoder.Decode(&document); errors.Is(err, io.EOF) {
		return value{}, false, nil
	} else if err != nil {
		return value{}, false, syntaxMistake(file, err)
	}
	if err := decoder.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return value{}, false, &mistake{file: file, text: "there is more than one YAML document in it"}
	}
	root = value{file: file, node: document.Content[0]}
	return root, !root.isNull(), nil
}

// syntaxMistake takes the parser's "yaml: line 3: TEXT", in which it leaves the first line out.
func syntaxMistake(file string, err error) error {
	found, line := strings.TrimPrefix(err.Error(), "yaml: "), 1
	if _, scanned := fmt.Sscanf(found, "line %d:", &line); scanned == nil {
		_, found, _ = strings.Cut(found, ": ")
	}
	return &mistake{file: file, line: line, text: found}
}

func (v value) errorf(format string, arguments ...any) error {
	return &mistake{v.file, v.path, v.node.Line, fmt.Sprintf(format, arguments...)}
}

// resolved is the node itself, or the one that an alias stands for.
func (v value) resolved() *yaml.Node {
	if v.node.Kind == yaml.AliasNode {
		return v.node.Alias
	}
	return v.node
}

func (v value) isNull() bool {
	node := v.resolved()
	return node.Kind == yaml.ScalarNode && node.ShortTag() == "!!null"
}

func (v value) isList() bool { return v.resolved().Kind == yaml.SequenceNode }
func (v value) isMap() bool  { return v.resolved().Kind == yaml.MappingNode }

// text gives a scalar as it is written; one with the tag !!binary as the bytes that it stands for.
func (v value) text() (string, error) {
	node := v.resolved()
	if node.Kind != yaml.ScalarNode || v.isNull() {
		return "", v.errorf("a text is expected here")
	}
	if node.ShortTag() != "!!binary" {
		return node.Value, nil
	}
	plain, err := unBase64(node.Value)
	if err != nil {
		return "", v.errorf("!!binary: this is no base64: %v", err)
	}
	return plain, nil
}

func (v value) integer() (int, error) {
	text, err := v.text()
	if err != nil {
		return 0, err
	}
	number, isNumber := v.number()
	if !isNumber {
		number, err = strconv.Atoi(text)
	}
	if err != nil || number < 0 {
		return 0, v.errorf("%q is no whole number", text)
	}
	return number, nil
}

// boolean takes YAML 1.1's words too, and those of netplan.
func (v value) boolean() (bool, error) {
	text, err := v.text()
	switch strings.ToLower(text) {
	case "true", "yes", "on", "y":
		return true, err
	case "false", "no", "off", "n":
		return false, err
	}
	return false, v.errorf("true or false is expected here")
}

// list gives the entries of a list; the way to each has its number, counted from 0.
func (v value) list() ([]value, error) {
	if !v.isList() {
		return nil, v.errorf("a list is expected here")
	}
	var entries []value
	for i, node := range v.resolved().Content {
		entries = append(entries, value{v.file, fmt.Sprintf("%s[%d]", v.path, i), node})
	}
	return entries, nil
}

// texts gives the entries of a list of texts.
func (v value) texts() ([]string, error) {
	entries, err := v.list()
	if err != nil {
		return nil, err
	}
	var texts []string
	for _, entry := range entries {
		text, err := entry.text()
		if err != nil {
			return nil, err
		}
		texts = append(texts, text)
	}
	return texts, nil
}

func joined(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// textOrTexts takes a single text, too.
func (v value) textOrTexts() ([]string, error) {
	if v.isList() {
		return v.texts()
	}
	text, err := v.text()
	return []string{text}, err
}
