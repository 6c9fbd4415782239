package node

import (
	"io"
	"os"
	"time"

	"kubeiso.dev/pkg/init/internal/kmsg"
	"kubeiso.dev/pkg/initrd/console"
	"kubeiso.dev/pkg/initrd/verity"
)

// watchMedium tells of each layer of the medium with a damaged block, as soon as something reads it.
func watchMedium(out *console.Console) {
	messages, err := os.Open(kmsg.Path)
	if err != nil {
		out.Printf("Damage of the medium will not be told: %v", err)
		return
	}
	go followDamage(messages, "/sys", out, time.Sleep)
}

// followDamage ends with its source.
func followDamage(messages io.Reader, sys string, out *console.Console, sleep func(time.Duration)) {
	told := map[string]bool{}
	kmsg.Follow(messages, sleep, func(record []byte) {
		damage := verity.Read(string(record), sys)
		if damage == nil || told[damage.Layer] {
			return
		}
		told[damage.Layer] = true
		out.Report(console.Line{Stage: "damage", Name: damage.Layer, State: console.Failed, Seconds: -1, Error: damage.Error()})
	})
}
