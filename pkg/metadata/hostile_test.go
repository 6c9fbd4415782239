package main

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// manyFiles is a tree of so many files in one folder.
func manyFiles(count int) []byte {
	var text strings.Builder
	text.WriteString(`{"folder": {"entries": {`)
	for number := range count {
		if number > 0 {
			text.WriteString(",")
		}
		fmt.Fprintf(&text, `"f%d": {"content": ""}`, number)
	}
	return []byte(text.String() + "}}}")
}

// deep is a folder in a folder, so many times.
func deep(count int) []byte {
	return []byte(strings.Repeat(`{"a": {"entries": `, count) + "{}" + strings.Repeat("}}", count))
}

// emptyMerges asks for 2^levels mappings without a key.
func emptyMerges(levels int) []byte {
	var text strings.Builder
	text.WriteString("#cloud-config\nx0: &x0 {}\n")
	for level := range levels {
		fmt.Fprintf(&text, "x%d: &x%d {<<: [*x%d, *x%d]}\n", level+1, level+1, level, level)
	}
	fmt.Fprintf(&text, "<<: *x%d\n", levels)
	return []byte(text.String())
}

// cost is the processor's time of this process, at the best of three times.
func cost(t *testing.T, text []byte) time.Duration {
	t.Helper()
	best := time.Hour
	for range 3 {
		begin := used(t)
		if parse(map[string][]byte{"user-data": text}) == nil {
			t.Fatal("nothing was read")
		}
		best = min(best, used(t)-begin)
	}
	return best
}

func used(t *testing.T) time.Duration {
	t.Helper()
	var all unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &all); err != nil {
		t.Fatal(err)
	}
	return time.Duration(all.Utime.Nano() + all.Stime.Nano())
}

func TestTimeGrowsWithTheInputAndNotWithItsSquare(t *testing.T) {
	few, many := 4_000, 64_000
	one, other := cost(t, manyFiles(few)), cost(t, manyFiles(many))
	if ratio := float64(other) / float64(one); ratio > 80 { // by the square, 256
		t.Errorf("%d files take %v, and %d take %v: %.0f times as long", few, one, many, other, ratio)
	}
}

func TestAFolderInAFolderHasAnEnd(t *testing.T) {
	all := parse(map[string][]byte{"user-data": deep(9_000)})
	if err := all.failure(); err == nil || !strings.Contains(err.Error(), "longer than 4000 bytes") {
		t.Fatalf("it says %v", err)
	}
	if all := parse(map[string][]byte{"user-data": deep(1_000)}); all.failure() != nil {
		t.Fatal(all.failure())
	}
}

func TestMergesOfNothingHaveAnEnd(t *testing.T) {
	all := parse(map[string][]byte{"user-data": emptyMerges(50)})
	if err := all.failure(); err == nil || !strings.Contains(err.Error(), "<< brings more than") {
		t.Fatalf("it says %v", err)
	}
}

func TestAThousandFaultsAreNotAThousandLines(t *testing.T) {
	text := "#cloud-config\nwrite_files:\n" + strings.Repeat("- {path: /etc/passwd, content: x}\n", 1_000)
	err := parse(map[string][]byte{"user-data": []byte(text)}).failure()
	if err == nil || !strings.HasSuffix(err.Error(), "and 980 more") || len(err.Error()) > 10_000 {
		t.Fatalf("it says %.300v", err)
	}
}
