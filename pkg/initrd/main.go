// Command initrd is the first program of a node: it finds the boot medium by its label, makes the root of the squashfs
// layers on it, and hands over to the root's init. With "kubeiso.probe" on the kernel's command line it measures the
// processor and powers off.
package main

import (
	"fmt"
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/initrd/cmdline"
	"kubeiso.dev/pkg/initrd/console"
	"kubeiso.dev/pkg/initrd/cpu"
	"kubeiso.dev/pkg/initrd/kmod"
	"kubeiso.dev/pkg/initrd/verity"
)

const configPath = "/etc/kubeiso-initrd.json"

func main() {
	mountErr := mountKernelFilesystems()
	out := console.Open()
	arguments := readArguments("/proc/cmdline")
	if arguments.has("kubeiso.probe") {
		probe(out)
	}
	err := mountErr
	if err == nil {
		err = boot(out, arguments)
	}
	halt(out, err)
}

// boot finds the medium, builds the root and becomes its init. It returns only with an error.
func boot(out *console.Console, arguments arguments) error {
	config, err := readConfig(configPath)
	if err != nil {
		return out.Begin("medium", "").End(err, nil)
	}
	loader, err := kmod.NewLoader(arguments.text)
	if err != nil {
		return out.Begin("medium", config.Label).End(err, nil)
	}
	config.loadModules(loader)
	layers, err := layersOf(config, out, loader, arguments)
	if err != nil {
		return err
	}
	stage := out.Begin("root", "")
	var kernel verity.Messages
	if err := buildRoot(layers); err != nil {
		return stage.End(kernel.Explain(err), nil)
	}
	init, err := chooseInit(arguments.value("init"))
	if err == nil {
		err = readable(init)
	}
	if err != nil {
		return stage.End(kernel.Explain(err), nil)
	}
	_ = stage.End(nil, console.Fields{"layers": len(config.Layers), "init": init})
	out.Drain() // what waits to be written would go with this program
	return switchRoot(init)
}

// layersOf gives the layers, lowest first: those of the initramfs, if they came with it, or those of the medium.
func layersOf(config config, out *console.Console, loader *kmod.Loader, arguments arguments) ([]layer, error) {
	if config.carried("/") {
		return config.layers("/", false), config.verify(out, "/")
	}
	searchOn(out, loader, arguments.mediumTimeout()).find(config.Label, config.Layers)
	if arguments.has("kubeiso.toram") {
		return config.layers(toMemory(out, config.Layers), true), nil
	}
	return config.layers(mediumDir, true), nil
}

// probe reports the processor's speed and stops the machine.
func probe(out *console.Console) {
	stage := out.Begin("probe", "")
	_ = stage.End(nil, console.Fields{"cpu_ms": cpu.Measure()})
	out.Drain()
	_ = unix.Reboot(unix.LINUX_REBOOT_CMD_POWER_OFF)
	halt(out, fmt.Errorf("this machine does not power off"))
}

// stillness is how long a machine that can't start keeps the reason on its console before it tries again: what was at fault, such as a
// controller that hung, may be gone then, and its power button does nothing here.
const stillness = 10 * time.Minute

// halt keeps the machine still, with the reason on its console, and then starts it again. Without its first process the kernel would
// panic and scroll the reason away.
func halt(out *console.Console, err error) {
	out.Printf("\nThe node cannot start: %v\nNothing was changed. The machine can be switched off; it starts again in %.0f minutes.",
		err, stillness.Minutes())
	for {
		time.Sleep(stillness)
		_ = unix.Reboot(unix.LINUX_REBOOT_CMD_RESTART)
	}
}

// arguments is the kernel's command line.
type arguments struct{ text string }

// readArguments reads a command line; one that cannot be read is empty.
func readArguments(path string) arguments {
	text, _ := os.ReadFile(path)
	return arguments{strings.TrimSpace(string(text))}
}

// has says whether a word stands on the command line.
func (a arguments) has(word string) bool {
	for _, found := range strings.Fields(a.text) {
		if found == word {
			return true
		}
	}
	return false
}

// value gives the value of the last "key=value", or nothing.
func (a arguments) value(key string) string { return cmdline.Value(a.text, key) }

// mediumTimeout is how long to look for the medium before that it lacks is told as a failure: kubeiso.medium_timeout in seconds, or five
// minutes.
func (a arguments) mediumTimeout() time.Duration {
	if seconds, err := time.ParseDuration(a.value("kubeiso.medium_timeout") + "s"); err == nil && seconds > 0 {
		return seconds
	}
	return 5 * time.Minute
}
