// Command init is the first process of a node. Under other names it is the tool that talks to it: service, poweroff, reboot,
// halt; and logfile, which keeps what it reads in a log that does not grow without bounds.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/sys/unix"

	"kubeiso.dev/pkg/init/internal/control"
	"kubeiso.dev/pkg/init/internal/logfile"
	"kubeiso.dev/pkg/init/internal/node"
	"kubeiso.dev/pkg/init/internal/power"
	"kubeiso.dev/pkg/init/internal/services"
)

// Exit codes, as of the rest of kubeiso: 2 is a mistake of the user, 4 a failure.
const (
	exitUsage   = 2
	exitFailure = 4
)

var errUsage = errors.New("usage: service list | service start|stop|restart NAME | " +
	"service report STAGE NAME start|ok|failed [ERROR [KEY=VALUE...]] | logfile PATH")

func main() {
	name, arguments := filepath.Base(os.Args[0]), os.Args[1:]
	if os.Getpid() == 1 {
		node.Run()
	}
	err := run(name, arguments)
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
	if errors.Is(err, errUsage) {
		os.Exit(exitUsage)
	}
	os.Exit(exitFailure)
}

// run carries out the command that the program was called as.
func run(name string, arguments []string) error {
	if action := power.Command(name); action != "" {
		return stop(action, arguments)
	}
	switch name {
	case "service":
		return service(arguments, os.Stdout)
	case "logfile":
		return keepLog(arguments, os.Stdin)
	}
	return errors.New("this is the first process of a node; it is started by the kernel")
}

// stop asks init to stop the machine; -f does it without init, at once.
func stop(action power.Action, arguments []string) error {
	if slices.Contains(arguments, "-f") {
		return action.Now()
	}
	return unix.Kill(1, action.Signal())
}

// service asks init about services.
func service(arguments []string, out io.Writer) error {
	request, err := parse(arguments)
	if err != nil {
		return err
	}
	answer, err := control.Ask(control.Socket, request)
	if err != nil {
		return err
	}
	return printStatus(answer.Services, out)
}

// keepLog copies its input into a log to its end.
func keepLog(arguments []string, in io.Reader) error {
	if len(arguments) != 1 {
		return errUsage
	}
	log := logfile.Open(arguments[0])
	_, err := io.Copy(log, in)
	return errors.Join(err, log.Close())
}

// parse reads "list", a verb and a service's name, or a report.
func parse(arguments []string) (control.Request, error) {
	switch {
	case len(arguments) == 1 && arguments[0] == "list":
		return control.Request{Verb: "list"}, nil
	case len(arguments) == 2 && slices.Contains([]string{"start", "stop", "restart"}, arguments[0]):
		return control.Request{Verb: arguments[0], Name: arguments[1]}, nil
	case len(arguments) >= 4 && arguments[0] == "report":
		return parseReport(arguments[1:])
	}
	return control.Request{}, errUsage
}

// parseReport reads STAGE NAME STATE [ERROR [KEY=VALUE...]].
func parseReport(words []string) (control.Request, error) {
	report := control.Report{Stage: words[0], Name: words[1], State: words[2], Fields: map[string]string{}}
	if len(words) > 3 {
		report.Error = words[3]
		for _, word := range words[4:] {
			key, value, found := strings.Cut(word, "=")
			if !found {
				return control.Request{}, errUsage
			}
			report.Fields[key] = value
		}
	}
	return control.Request{Verb: "report", Report: &report}, nil
}

// printStatus writes one line for each service, if there are any.
func printStatus(all []services.Status, out io.Writer) error {
	if len(all) == 0 {
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "SERVICE\tSTATE\tPID\tRESTARTS\tLAST EXIT")
	for _, each := range all {
		pid, code := "-", "-"
		if each.Pid != 0 {
			pid = fmt.Sprint(each.Pid)
		}
		if each.Code != nil {
			code = fmt.Sprint(*each.Code)
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%d\t%s\n", each.Name, each.State, pid, each.Restarts, code)
	}
	return table.Flush()
}
