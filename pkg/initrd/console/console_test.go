package console

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"
)

func TestFormat(t *testing.T) {
	tests := []struct {
		name string
		line Line
		want string
	}{
		{"smallest", Line{Stage: "mounts", State: OK, Seconds: -1}, `KUBEISO {"t":0.000,"stage":"mounts","state":"ok"}`},
		{"all", Line{Uptime: 12345678 * time.Microsecond, Stage: "onboot", Name: "000-sysctl", State: Failed, Seconds: 1.25,
			Error: "a \"b\"\nc", Fields: Fields{"z": 1, "code": 3}},
			`KUBEISO {"t":12.346,"stage":"onboot","name":"000-sysctl","state":"failed","seconds":1.250,"error":"a \"b\"\nc","code":3,"z":1}`},
		{"not JSON", Line{Stage: "x", State: OK, Seconds: -1, Fields: Fields{"f": make(chan int)}}, ""},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			got := string(test.line.Format())
			if strings.Count(got, "\n") != 1 || !strings.HasSuffix(got, "\n") {
				t.Fatalf("not one line: %q", got)
			}
			if !json.Valid([]byte(strings.TrimPrefix(got, Prefix))) {
				t.Fatalf("not JSON: %q", got)
			}
			if test.want != "" && strings.TrimSuffix(got, "\n") != test.want {
				t.Errorf("got  %swant %s", got, test.want)
			}
		})
	}
}

func TestErrorIsBounded(t *testing.T) {
	line := Line{Stage: "x", State: Failed, Error: strings.Repeat("e", 5000)}
	if size := len(line.Format()); size > maxError+100 {
		t.Errorf("line of %d bytes", size)
	}
}

type countingWriter struct {
	bytes.Buffer
	calls int
}

func (w *countingWriter) Write(data []byte) (int, error) {
	w.calls++
	return w.Buffer.Write(data)
}

func TestStageWritesEachLineAtOnce(t *testing.T) {
	out := &countingWriter{}
	stage := New(out).Begin("root", "r").Announce()
	failure := errors.New("no root")
	if err := stage.End(failure, Fields{"layers": 2}); err != failure {
		t.Errorf("End gave %v", err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if out.calls != 2 || len(lines) != 2 {
		t.Fatalf("%d writes: %q", out.calls, lines)
	}
	for i, want := range []string{`"state":"start"`, `"state":"failed"`} {
		if !strings.Contains(lines[i], want) {
			t.Errorf("line %d: %s", i, lines[i])
		}
	}
}

func TestUptimeRises(t *testing.T) {
	first := Uptime()
	if first <= 0 || Uptime() < first {
		t.Errorf("uptime %v then %v", first, Uptime())
	}
}
