package seed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// Fetching asks again where the server does not answer, or is in trouble: a switch's port may take half a minute to pass what a card
// sends (IEEE 802.1D's forward delay, twice 15 s).
const (
	tries     = 8
	pause     = time.Second // doubled each time, up to maxPause
	maxPause  = 15 * time.Second
	oneAnswer = 30 * time.Second
)

// ErrMissing is what a file that is not there ends with.
var ErrMissing = errors.New("it is not there")

// Fetch gives a file of the seed, of so many bytes at most.
func (s *Seed) Fetch(ctx context.Context, client *http.Client, name string, most int64) ([]byte, error) {
	return s.fetch(ctx, client, name, most, time.Sleep)
}

func (s *Seed) fetch(ctx context.Context, client *http.Client, name string, most int64, sleep func(time.Duration)) ([]byte, error) {
	where := s.file(name)
	for try, wait := 1, pause; ; try, wait = try+1, min(2*wait, maxPause) {
		text, again, err := get(ctx, client, where, most)
		if err == nil || !again || try == tries || ctx.Err() != nil {
			return text, err
		}
		sleep(wait)
	}
}

// file is where a file of the seed lies: below its path, or behind its query.
func (s *Seed) file(name string) string {
	where := *s.URL
	if where.RawQuery != "" {
		where.RawQuery += name
	} else {
		where.Path += name
	}
	return where.String()
}

// get gives a file, and whether another try may help where there was an error.
func get(ctx context.Context, client *http.Client, where string, most int64) (text []byte, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, oneAnswer)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, false, err
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, true, plain(err)
	}
	defer answer.Body.Close()
	switch {
	case answer.StatusCode == http.StatusNotFound:
		return nil, false, ErrMissing
	case answer.StatusCode >= 500, answer.StatusCode == http.StatusTooManyRequests:
		return nil, true, fmt.Errorf("the server says %s", answer.Status)
	case answer.StatusCode != http.StatusOK:
		return nil, false, fmt.Errorf("the server says %s", answer.Status)
	}
	text, err = io.ReadAll(io.LimitReader(answer.Body, most+1))
	if err == nil && int64(len(text)) > most {
		return nil, false, fmt.Errorf("it is larger than %d MiB", most>>20)
	}
	return text, err != nil, err
}

// plain leaves out the URL, which may have a secret in it.
func plain(err error) error {
	var full *url.Error
	if errors.As(err, &full) {
		return full.Err
	}
	return err
}
