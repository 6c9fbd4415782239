package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"kubeiso.dev/pkg/initrd/blockdev"
	"kubeiso.dev/pkg/initrd/cpu"
)

// pauses are how long things take here, at native speed.
type pauses struct {
	// poll is between two looks at what devices there are, again between two at what lies on them, repeat between two equal
	// messages.
	poll, again, repeat time.Duration
	// settle is for how long no device may have come before a blank one is formatted: the right one may be late.
	settle time.Duration
	// atWork is between two signs of life of a program.
	atWork time.Duration
}

var usualPauses = pauses{
	poll: 50 * time.Millisecond, again: 10 * time.Second, repeat: time.Minute, settle: 10 * time.Second, atWork: 30 * time.Second,
}

// finder looks for the disk, and makes one where that is asked for. tell speaks to people while the boot stands.
type finder struct {
	surveyor
	system
	pauses
	tell func(text string)
}

// find gives the disk, or nil where there is none and none has to be. Where one has to be, it waits until it is there, for ever.
// Where none has to be, a disk that may be it but can't be used is an error: the node would begin as a new one.
func (f finder) find(wanted wish) (*finding, error) {
	begin, watch := time.Now(), blockdev.NewWatch(f.devices, blockdev.Optical)
	var all []finding
	var now choice
	var patience time.Duration
	looked, speaker := begin, announcer{tell: f.tell, repeat: f.repeat}
	for {
		if watch.Changed() || time.Since(looked) >= f.again {
			f.widen(watch.Names)
			all, looked = f.survey(watch.Names, wanted), time.Now()
			if now = choose(all, wanted); now.format != nil {
				patience = cpu.Stretch(f.patience(*now.format))
			}
		}
		switch {
		case now.take != nil:
			return now.take, nil
		case now.format != nil && watch.Settled() && watch.Still() >= patience:
			return f.make(*now.format, wanted)
		case now.format != nil || !watch.Settled(): // more may come
		case wanted.need == required:
			speaker.say(waiting(wanted, now, all), time.Since(begin))
		case now.trouble != "":
			return nil, fmt.Errorf("%s\nnext: put it right, or %s", now.trouble, wanted.wayOut())
		default:
			return nil, nil
		}
		time.Sleep(f.poll)
	}
}

// patience is for how long no device may have come before this one is formatted.
func (f finder) patience(blank finding) time.Duration {
	if f.brought(filepath.Base(blank.path)) {
		return f.settle / 5 // it is for nothing else, and another disk beside it is rare
	}
	return f.settle
}

// make formats a disk that is blank still, and gives what it has become.
func (f finder) make(disk finding, wanted wish) (*finding, error) {
	name := filepath.Base(disk.path)
	if now := f.look(name, wanted); now.is != disk.is {
		return nil, fmt.Errorf("%s was blank and is no more: it is %s", disk.path, now)
	}
	f.tell(fmt.Sprintf("%s is blank (%s): it becomes this node's state disk", disk.path, mebibytes(disk.size)))
	if err := f.format(disk, wanted); err != nil {
		return nil, err
	}
	made := f.look(name, wanted)
	if made.is != chosen {
		return nil, errors.New("the disk that was just formatted is no state disk: " + made.String())
	}
	made.kind = "made from a blank disk"
	return &made, nil
}

// waiting says what the node waits for, and what it sees.
func waiting(wanted wish, now choice, all []finding) string {
	text := "waiting for this node's state disk: " + wanted.String() + ", which " + wanted.by + " requires"
	if now.trouble != "" {
		text += "\nin the way: " + now.trouble
	}
	for _, each := range all {
		if each.is != broken || now.trouble == "" {
			text += "\nseen: " + each.String()
		}
	}
	if all == nil {
		text += "\nseen: no disk at all"
	}
	return text + "\nnext: attach the disk; the node goes on when it is there. Nothing of Kubernetes runs until then"
}

// announcer tells people the same thing now and then only.
type announcer struct {
	tell   func(text string)
	repeat time.Duration
	said   string
	last   time.Time
}

func (a *announcer) say(text string, passed time.Duration) {
	switch {
	case text != a.said:
		a.tell(text)
	case time.Since(a.last) >= a.repeat:
		a.tell(fmt.Sprintf("%s (for %.0f s now)", text, passed.Seconds()))
	default:
		return
	}
	a.said, a.last = text, time.Now()
}
