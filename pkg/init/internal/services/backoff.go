package services

import "time"

// backoff spaces restarts out: each pause is twice the one before, up to a limit, and short again after a long life.
type backoff struct {
	first, limit time.Duration
	// calm is the life after which a restart counts as the first again.
	calm time.Duration
	next time.Duration
}

func newBackoff() *backoff {
	return &backoff{first: time.Second, limit: time.Minute, calm: time.Minute}
}

// pause gives the time to wait before the next start, after a life of that length.
func (b *backoff) pause(life time.Duration) time.Duration {
	if b.next == 0 || life >= b.calm {
		b.next = b.first
	}
	pause := b.next
	b.next = min(2*b.next, b.limit)
	return pause
}
