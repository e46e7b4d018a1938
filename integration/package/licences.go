package main

import (
	"bytes"
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// writeLicences writes the licence of heartbeatd, and those of everything that the programs contain.
func writeLicences(file string, programs []string) error {
	var modules []string
	for _, program := range programs {
		info, err := buildinfo.ReadFile(program)
		if err != nil {
			return fmt.Errorf("%s: %w", program, err)
		}
		for _, m := range info.Deps {
			modules = append(modules, m.Path)
		}
	}
	slices.Sort(modules)
	var text bytes.Buffer
	if err := addLicences(&text, "heartbeatd", "."); err != nil {
		return err
	}
	goroot, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return fmt.Errorf("go env: %w", err)
	}
	if err := addLicences(&text, "Go", strings.TrimSpace(string(goroot))); err != nil {
		return err
	}
	out, err := exec.Command("go", append([]string{"list", "-m", "-f", "{{.Path}} {{.Version}}\t{{.Dir}}"}, slices.Compact(modules)...)...).Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	for line := range strings.Lines(string(out)) {
		name, folder, _ := strings.Cut(strings.TrimSpace(line), "\t")
		if err := addLicences(&text, name, folder); err != nil {
			return err
		}
	}
	if err := addLicences(&text, "uPlot", "server/uplot"); err != nil {
		return err
	}
	return os.WriteFile(file, text.Bytes(), 0o644)
}

var licenceFile = regexp.MustCompile(`^(LICEN[CS]E|COPYING|NOTICE|PATENTS|uplot-license)`)

// addLicences adds the licences in a folder, below the name of what has them.
func addLicences(text *bytes.Buffer, name, folder string) error {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return fmt.Errorf("the licence of %s: %w", name, err)
	}
	found := false
	for _, e := range entries {
		if e.IsDir() || !licenceFile.MatchString(e.Name()) {
			continue
		}
		content, err := os.ReadFile(filepath.Join(folder, e.Name()))
		if err != nil {
			return err
		}
		found = true
		fmt.Fprintf(text, "==== %s: %s\n\n%s\n\n", name, e.Name(), bytes.TrimSpace(content))
	}
	if !found {
		return fmt.Errorf("%s has no licence in %s", name, folder)
	}
	return nil
}
