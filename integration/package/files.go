package main

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// zipPlugin writes the plugin's folder, with the licence, to a zip that WordPress can install.
func zipPlugin(name string, modified time.Time) error {
	plugin := os.DirFS("integration/wordpress")
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	add := func(name string, content []byte) error {
		f, err := w.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: modified})
		if err == nil {
			_, err = f.Write(content)
		}
		return err
	}
	err := fs.WalkDir(plugin, "heartbeatd", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.HasPrefix(d.Name(), ".") {
			return err
		}
		content, err := fs.ReadFile(plugin, path)
		if err != nil {
			return err
		}
		return add(path, content)
	})
	if err != nil {
		return err
	}
	licence, err := os.ReadFile("LICENSE")
	if err != nil {
		return err
	}
	if err := add("heartbeatd/LICENSE", licence); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	return os.WriteFile(name, b.Bytes(), 0o644)
}

// scripts are the libraries for browsers which the program contains. Each names its version in
// its first line.
var scripts = []struct{ name, file string }{
	{"jquery", "server/demosite/page/jquery.js"},
	{"uplot", "server/uplot/uplot.js"},
}

// writeSBOM writes an SBOM in the form of CycloneDX beside a program: its Go modules, as the
// program itself names them, and the scripts.
func writeSBOM(program, number string) error {
	file := program + ".cdx.json"
	if err := command([]string{"GOFLAGS="}, "go", "run", cyclonedx, "bin", "-json", "-std", "-noserial", "-notimestamp", "-version", "v"+number, "-output", file, program); err != nil {
		return err
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var sbom map[string]any
	if err := json.Unmarshal(content, &sbom); err != nil {
		return err
	}
	// cyclonedx-gomod names its own checksums, which are not the same on each machine.
	metadata, _ := sbom["metadata"].(map[string]any)
	tools, _ := metadata["tools"].([]any)
	for _, t := range tools {
		if t, ok := t.(map[string]any); ok {
			delete(t, "hashes")
		}
	}
	components, _ := sbom["components"].([]any)
	for _, s := range scripts {
		content, err := os.ReadFile(s.file)
		if err != nil {
			return err
		}
		first, _, _ := bytes.Cut(content, []byte("\n"))
		m := regexp.MustCompile(`v(\d+(?:\.\d+)+)`).FindSubmatch(first)
		if m == nil {
			return fmt.Errorf("the first line of %s names no version", s.file)
		}
		purl := "pkg:npm/" + s.name + "@" + string(m[1])
		components = append(components, map[string]any{
			"type": "library", "bom-ref": purl, "purl": purl, "name": s.name, "version": string(m[1]),
			"licenses": []any{map[string]any{"license": map[string]any{"id": "MIT"}}},
		})
	}
	sbom["components"] = components
	content, err = json.MarshalIndent(sbom, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(content, '\n'), 0o644)
}

// writeChecksums writes SHA256SUMS, which "sha256sum --check" reads.
func writeChecksums() error {
	entries, err := os.ReadDir(dist)
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, e := range entries {
		content, err := os.ReadFile(filepath.Join(dist, e.Name()))
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(content), e.Name())
	}
	return os.WriteFile(filepath.Join(dist, "SHA256SUMS"), []byte(sums.String()), 0o644)
}
