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

// Way leads beyond the machine, by one of its cards. It has to be closed where it could be opened.
type Way interface {
	Open() (*http.Client, error)
	Close() error
	String() string
}

// Files are the names of those that are fetched; the first must be there. Most is how many bytes one may have.
type Files struct {
	Names []string
	Most  int64
}

// fault is an error, and whether another try or another way may help.
type fault struct {
	error
	again bool
}

func (f *fault) Unwrap() error { return f.error }

// Fetch gives the files by whichever way leads to them; ways is asked before each try.
func (s *Seed) Fetch(ctx context.Context, ways func() ([]Way, error), wanted Files) (map[string][]byte, error) {
	return s.fetch(ctx, ways, wanted, time.Sleep)
}

func (s *Seed) fetch(
	ctx context.Context, ways func() ([]Way, error), wanted Files, sleep func(time.Duration),
) (map[string][]byte, error) {
	for try, wait := 1, pause; ; try, wait = try+1, min(2*wait, maxPause) {
		all, err := ways()
		if err != nil {
			return nil, err
		}
		var wrong []error
		for _, way := range all {
			found, err := s.by(ctx, way, wanted)
			var told *fault
			if err == nil || !errors.As(err, &told) || !told.again {
				return found, err
			}
			wrong = append(wrong, fmt.Errorf("%s: %w", way, err))
		}
		if try == tries || ctx.Err() != nil {
			return nil, errors.Join(wrong...)
		}
		sleep(wait)
	}
}

// by fetches the files by one way.
func (s *Seed) by(ctx context.Context, way Way, wanted Files) (found map[string][]byte, err error) {
	client, err := way.Open()
	if err != nil {
		return nil, &fault{err, true}
	}
	defer func() { err = errors.Join(err, way.Close()) }()
	found = map[string][]byte{}
	for number, name := range wanted.Names {
		text, err := get(ctx, client, s.file(name), wanted.Most)
		if errors.Is(err, errMissing) && number > 0 {
			continue
		}
		if err != nil {
			return found, fmt.Errorf("%s: %w", name, err)
		}
		found[name] = text
	}
	return found, nil
}

// errMissing is what a file that is not there ends with.
var errMissing = errors.New("it is not there")

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

// get gives a file. What goes wrong is a fault.
func get(ctx context.Context, client *http.Client, where string, most int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, oneAnswer)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return nil, &fault{plain(err), false}
	}
	answer, err := client.Do(request)
	if err != nil {
		return nil, &fault{plain(err), true}
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNotFound {
		return nil, &fault{errMissing, false}
	}
	if answer.StatusCode != http.StatusOK {
		trouble := answer.StatusCode >= 500 || answer.StatusCode == http.StatusTooManyRequests
		return nil, &fault{fmt.Errorf("the server says %s", answer.Status), trouble}
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, most+1))
	if err != nil {
		return nil, &fault{err, true}
	}
	if int64(len(text)) > most {
		return nil, &fault{fmt.Errorf("it is larger than %d MiB", most>>20), false}
	}
	return text, nil
}

// plain leaves out the URL, which may have a secret in it.
func plain(err error) error {
	var full *url.Error
	if errors.As(err, &full) {
		return full.Err
	}
	return err
}
