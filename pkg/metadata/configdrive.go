package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// driveLabel is that of a config drive, OpenStack's form or EC2's (Nova's documentation, "Metadata"; cloud-init's, "Config drive").
const driveLabel = "config-2"

// drive is where one form has its files.
type drive struct {
	folder                  string
	metaData, userData, net string
	read                    func([]byte) (driveMeta, error)
}

var drives = []drive{
	{"openstack/latest", "meta_data.json", "user_data", "network_data.json", readOpenStack},
	{"ec2/latest", "meta-data.json", "user-data", "", readEC2},
}

// driveMeta is what a node takes of a config drive's metadata, by NoCloud's names.
type driveMeta struct {
	ID   string   `json:"instance-id,omitempty"`
	Name string   `json:"local-hostname,omitempty"`
	Keys []string `json:"public-keys,omitempty"`
}

// readDrive reads a config drive's files as if they were NoCloud's. What can't be read is a fault, and keeps no other from being read.
func readDrive(source, folder string) (contents, error) {
	held := contents{source: source, files: map[string][]byte{}}
	for _, each := range drives {
		if held.takeDrive(each, folder); len(held.files) > 0 || held.faults != nil {
			return held, nil
		}
	}
	return held, fmt.Errorf("it has %w %s", errNoFiles, filepath.Join(drives[0].folder, drives[0].metaData))
}

func (c *contents) takeDrive(from drive, folder string) {
	translations := []struct {
		name, as string
		do       func([]byte) ([]byte, error)
	}{
		{from.metaData, metaDataFile, func(text []byte) ([]byte, error) { return translated(from.read, text) }},
		{from.userData, userDataFile, func(text []byte) ([]byte, error) { return text, nil }},
		{from.net, networkFile, func(text []byte) ([]byte, error) { return translated(readNetworkData, text) }},
	}
	for _, each := range translations {
		if each.name == "" {
			continue
		}
		text, err := readFile(filepath.Join(folder, from.folder, each.name))
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err == nil {
			text, err = each.do(text)
			if err != nil {
				err = &mistake{file: each.name, text: err.Error()}
			}
		}
		if err != nil {
			c.faults = append(c.faults, err)
			continue
		}
		c.files[each.as] = text
	}
}

// translated gives JSON, which is YAML too.
func translated[T any](read func([]byte) (T, error), text []byte) ([]byte, error) {
	made, err := read(text)
	if err != nil {
		return nil, err
	}
	return json.Marshal(made)
}

func readOpenStack(text []byte) (driveMeta, error) {
	var found struct {
		UUID, Hostname, Name string
		Keys                 map[string]string `json:"public_keys"`
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return driveMeta{}, err
	}
	if found.Hostname == "" {
		found.Hostname = found.Name
	}
	return driveMeta{ID: found.UUID, Name: found.Hostname, Keys: sortedValues(found.Keys)}, nil
}

func readEC2(text []byte) (driveMeta, error) {
	var found struct {
		ID   string `json:"instance-id"`
		Name string `json:"local-hostname"`
		Keys map[string]struct {
			Key string `json:"openssh-key"`
		} `json:"public-keys"`
	}
	if err := json.Unmarshal(text, &found); err != nil {
		return driveMeta{}, err
	}
	keys := map[string]string{}
	for name, each := range found.Keys {
		keys[name] = each.Key
	}
	return driveMeta{ID: found.ID, Name: found.Name, Keys: sortedValues(keys)}, nil
}
