package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// Errors of a look-up.
var (
	ErrNotFound  = errors.New("not found")
	ErrAmbiguous = errors.New("the id is the beginning of several")
)

const suffix = ".json"

// Store holds records by id, in memory and as files of one folder. Records are not changed in place: Put takes a new one.
type Store[R any] struct {
	dir string

	mu      sync.RWMutex
	records map[string]R
}

// Open reads the folder, which is made if it is missing. A file that can't be read, as a power cut may leave one, is
// removed: what it was about is then not known any more, and is cleaned up as such.
func Open[R any](dir string) (*Store[R], error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	store := &Store[R]{dir: dir, records: map[string]R{}}
	for _, entry := range entries {
		if entry.IsDir() {
			continue
		}
		if err := store.load(entry.Name()); err != nil {
			log.Printf("%s is removed: %v", filepath.Join(dir, entry.Name()), err)
			_ = os.Remove(filepath.Join(dir, entry.Name()))
		}
	}
	return store, nil
}

func (s *Store[R]) load(name string) error {
	id, found := strings.CutSuffix(name, suffix)
	if !found {
		return errors.New("it is no record")
	}
	text, err := os.ReadFile(filepath.Join(s.dir, name))
	if err != nil {
		return err
	}
	var record R
	if err := json.Unmarshal(text, &record); err != nil {
		return err
	}
	s.records[id] = record
	return nil
}

// Put writes a record; it is on the disk when Put returns.
func (s *Store[R]) Put(id string, record R) error {
	text, err := json.Marshal(record)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := writeAside(filepath.Join(s.dir, id+suffix), text); err != nil {
		return err
	}
	s.records[id] = record
	return nil
}

// Delete removes a record; one that is not there is no error.
func (s *Store[R]) Delete(id string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.records, id)
	if err := os.Remove(filepath.Join(s.dir, id+suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Get gives the record with the id, or with the only id that begins so.
func (s *Store[R]) Get(id string) (string, R, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var none R
	if record, found := s.records[id]; found {
		return id, record, nil
	}
	matches := []string{}
	for full := range s.records {
		if id != "" && strings.HasPrefix(full, id) {
			matches = append(matches, full)
		}
	}
	switch len(matches) {
	case 0:
		return "", none, fmt.Errorf("%q: %w", id, ErrNotFound)
	case 1:
		return matches[0], s.records[matches[0]], nil
	}
	return "", none, fmt.Errorf("%q: %w", id, ErrAmbiguous)
}

// All gives every record by its id.
func (s *Store[R]) All() map[string]R {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return maps.Clone(s.records)
}

// writeAside replaces a file so that after a power cut it is the old one or the new one.
func writeAside(path string, text []byte) error {
	aside, err := os.OpenFile(path+".new", os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = aside.Write(text)
	if err == nil {
		err = aside.Sync()
	}
	if err := errors.Join(err, aside.Close()); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}
