package main

import (
	"encoding/base64"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// wholeNumber is YAML 1.1's form of integers (yaml.org/type/int.html), which cloud-init takes, without base 60: a hardware address
// in decimal digits would be one.
var wholeNumber = regexp.MustCompile(`^[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0[0-7_]*|[1-9][0-9_]*)$`)

// number gives what a scalar without quotes and tag means, if that is a whole number.
func (v value) number() (int, bool) {
	node := v.resolved()
	plain := node.Kind == yaml.ScalarNode && node.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle|yaml.TaggedStyle|
		yaml.LiteralStyle|yaml.FoldedStyle) == 0
	if !plain || !wholeNumber.MatchString(node.Value) {
		return 0, false
	}
	text := strings.TrimPrefix(strings.ReplaceAll(node.Value, "_", ""), "+")
	found, err := strconv.ParseInt(text, 0, 64) // 0 and octal digits, 0x and 0b are known to it
	return int(found), err == nil
}

// mode reads a file's mode as cloud-init does: a number is the mode itself, whatever its base; a text is octal.
func (v value) mode() (uint32, error) {
	text, err := v.text()
	if err != nil {
		return 0, err
	}
	if number, isNumber := v.number(); isNumber {
		text = strconv.FormatInt(int64(number), 8)
	}
	mode, err := parseMode(strings.TrimPrefix(text, "0o"))
	if err != nil {
		return 0, v.errorf("%v", err)
	}
	return mode, nil
}

func unBase64(text string) (string, error) {
	plain, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(text), ""))
	return string(plain), err
}
