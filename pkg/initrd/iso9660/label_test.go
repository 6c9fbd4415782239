package iso9660

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// image gives the bytes of a volume whose primary descriptor starts with start and bears label.
func image(start, label string) []byte {
	data := make([]byte, 18*2048)
	copy(data[16*2048:], start)
	copy(data[16*2048+40:], label+strings.Repeat(" ", 32-len(label)))
	return data
}

func TestLabel(t *testing.T) {
	tests := []struct {
		name string
		data []byte
		want string
		err  error
	}{
		{"padded", image("\x01CD001\x01", "KUBEISO_1"), "KUBEISO_1", nil},
		{"full length", image("\x01CD001\x01", strings.Repeat("L", 32)), strings.Repeat("L", 32), nil},
		{"no label", image("\x01CD001\x01", ""), "", nil},
		{"supplementary descriptor", image("\x02CD001\x01", "KUBEISO_1"), "", ErrNoVolume},
		{"other file system", image("\x01BEA01\x01", "KUBEISO_1"), "", ErrNoVolume},
		{"too short", make([]byte, 1000), "", ErrNoVolume},
		{"cut in the descriptor", image("\x01CD001\x01", "KUBEISO_1")[:16*2048+50], "", ErrNoVolume},
		{"empty", nil, "", ErrNoVolume},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "volume")
			if err := os.WriteFile(path, test.data, 0o600); err != nil {
				t.Fatal(err)
			}
			file, err := os.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer file.Close()
			got, err := Label(file)
			if got != test.want || !errors.Is(err, test.err) {
				t.Errorf("got %q, %v; want %q, %v", got, err, test.want, test.err)
			}
		})
	}
}

func TestLabelOfClosedDevice(t *testing.T) {
	file, err := os.Create(filepath.Join(t.TempDir(), "volume"))
	if err != nil {
		t.Fatal(err)
	}
	file.Close()
	if _, err := Label(file); err == nil || errors.Is(err, ErrNoVolume) {
		t.Errorf("a read error became %v", err)
	}
}
