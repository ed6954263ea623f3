package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"factotum/server/config"
)

// configEnv names the ics.conf for programs that are not told otherwise.
const configEnv = "CALSERVER_CONFIG"

// systemConfig is where an installed server has its configuration.
const systemConfig = "/etc/factotum/ics.conf"

// findConfig says which ics.conf counts: the one given, the one that
// $CALSERVER_CONFIG names, the system's, or the one that quickstart made.
func findConfig(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	if env := os.Getenv(configEnv); env != "" {
		return env, nil
	}
	places := []string{systemConfig, filepath.Join(defaultDataDir(), "ics.conf")}
	for _, p := range places {
		if _, err := os.Stat(p); err == nil {
			return p, nil
		} else if !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("look for ics.conf: %w", err)
		}
	}
	return "", fmt.Errorf("no configuration: there is neither %s nor %s; name one in $%s, or make one with \"calserver quickstart\"",
		places[0], places[1], configEnv)
}

// defaultDataDir is where quickstart keeps its files: the user's data
// directory, or a folder beside the caller for one who has no home.
func defaultDataDir() string {
	if dir := os.Getenv("XDG_DATA_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "factotum")
	}
	if home, err := os.UserHomeDir(); err == nil && filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "share", "factotum")
	}
	dir, err := filepath.Abs("factotum-data")
	if err != nil {
		return "factotum-data"
	}
	return dir
}

// loadConfig reads the configuration of a program. Warnings go to w, nil
// drops them; the error has every reason why the server cannot start.
func loadConfig(given string, w io.Writer) (*config.Config, error) {
	cfg, err := readConfig(given, w)
	if err != nil {
		return nil, err
	}
	return cfg, useZones(cfg)
}

// readConfig is loadConfig for who looks after the zone database itself.
func readConfig(given string, w io.Writer) (*config.Config, error) {
	path, err := findConfig(given)
	if err != nil {
		return nil, err
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, fmt.Errorf("find the configuration: %w", err)
	}
	cfg, rep, err := config.Load(path)
	if w != nil {
		for i := range rep.Problems {
			if rep.Problems[i].Severity != config.Error {
				fmt.Fprintln(w, rep.Problems[i].Error())
			}
		}
	}
	if err != nil {
		return nil, err
	}
	return cfg, nil
}
