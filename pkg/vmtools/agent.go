package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"sync"
	"time"

	"github.com/vmware/govmomi/toolbox"
)

// unmanaged is the version of tools that come with the system and not with the hypervisor (open-vm-tools, vm_tools_version.h).
const unmanaged = 1<<31 - 1

// capabilities are what the hypervisor may ask of this guest.
var capabilities = []string{fmt.Sprintf("tools.set.version %d", unmanaged), "tools.capability.statechange"}

var errRefused = errors.New("this node runs no commands and passes no files for its hypervisor")

// agent answers the hypervisor. look gives what it is to be told, end ends the node by a program, out a channel to it.
type agent struct {
	look func() (told, error)
	end  func(program string) error
	out  func() toolbox.Channel

	mu   sync.Mutex
	last told
}

// run serves the hypervisor until the context is over. Every so often it looks for news.
func (a *agent) run(ctx context.Context, in toolbox.Channel, every time.Duration) error {
	service := toolbox.NewService(in, a.out())
	a.register(service)
	if err := service.Start(); err != nil {
		return err
	}
	ticks := time.NewTicker(every)
	defer ticks.Stop()
	for {
		if err := a.tell(); err != nil {
			log.Printf("telling what there is of this node: %v", err)
		}
		select {
		case <-ticks.C:
		case <-ctx.Done():
			service.Stop()
			service.Wait()
			return nil
		}
	}
}

func (a *agent) register(service *toolbox.Service) {
	service.RegisterHandler("reset", func([]byte) ([]byte, error) {
		a.forget()
		return []byte("ATR toolbox"), nil
	})
	service.RegisterHandler("Capabilities_Register", func([]byte) ([]byte, error) {
		a.forget()
		return nil, a.send(capabilities...)
	})
	service.RegisterHandler("Set_Option", a.setOption)
	service.RegisterHandler("Vix_1_Relayed_Command", func([]byte) ([]byte, error) { return nil, errRefused })
	service.Power.Halt.Handler = func() error { return a.end("poweroff") }
	service.Power.Reboot.Handler = func() error { return a.end("reboot") }
}

// setOption takes what the hypervisor wants from now on: to be told the address at which the node is reached, of what is known here.
func (a *agent) setOption(words []byte) ([]byte, error) {
	if string(words) != "broadcastIP 1" && string(words) != "broadcastIP 1\x00" {
		return nil, nil
	}
	now, err := a.look()
	if err != nil || now.primary == "" {
		return nil, err
	}
	return nil, a.send("info-set guestinfo.ip " + now.primary)
}

// forget lets the node tell everything anew: a hypervisor that was reset, or has taken the machine over, knows nothing.
func (a *agent) forget() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = told{}
}

// tell tells what has changed.
func (a *agent) tell() error {
	now, err := a.look()
	if err != nil {
		return err
	}
	a.mu.Lock()
	same := now.equal(a.last)
	a.last = now
	a.mu.Unlock()
	if same {
		return nil
	}
	err = errors.Join(
		a.send(fmt.Sprintf("SetGuestInfo  %d %s", infoName, now.name), fmt.Sprintf("SetGuestInfo  %d %s", infoSystemFull, now.system),
			fmt.Sprintf("SetGuestInfo  %d %s", infoSystem, systemName)),
		a.tellCards(now.cards),
	)
	if err != nil {
		a.forget()
	}
	return err
}

// tellCards tells it in the newer way, else in the older.
func (a *agent) tellCards(cards []byte) error {
	err := a.send(string(toolbox.GuestInfoCommand(infoCardsNow, cards)))
	if err != nil {
		err = a.send(string(toolbox.GuestInfoCommand(infoCards, cards)))
	}
	return err
}

// send makes requests over a channel of their own: the service's is its loop's alone.
func (a *agent) send(requests ...string) (err error) {
	out := toolbox.ChannelOut{Channel: a.out()}
	if err := out.Start(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Stop()) }()
	for _, each := range requests {
		if _, wrong := out.Request([]byte(each)); wrong != nil {
			err = errors.Join(err, wrong)
		}
	}
	return err
}
