package stats

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
)

// pressure reads a file of the kernel's stall information (Documentation/accounting/psi.rst); nil where there is none.
func pressure(dir, name string) *runtime.PsiStats {
	text, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		return nil
	}
	read := &runtime.PsiStats{}
	for line := range strings.Lines(string(text)) {
		kind, rest, _ := strings.Cut(line, " ")
		var data runtime.PsiData
		var micros uint64
		if _, err := fmt.Sscanf(rest, "avg10=%f avg60=%f avg300=%f total=%d",
			&data.Avg10, &data.Avg60, &data.Avg300, &micros); err != nil {
			continue
		}
		data.Total = micros * 1000
		switch kind {
		case "some":
			read.Some = &data
		case "full":
			read.Full = &data
		}
	}
	return read
}
