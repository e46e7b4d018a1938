// Command package builds in dist/ what a release consists of: the program for each system, Debian
// packages, the plugin as a zip, an SBOM of each program, and checksums. With -local it builds only
// what this machine needs, which takes a fifth of the time.
//
//	make package
//	make deb
//
// Two runs of the same commit with the same version of Go make the same files.
package main

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/server/version"
)

const (
	nfpm      = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2"
	cyclonedx = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"

	dist = "dist"
)

type target struct{ os, arch string }

// targets are the systems for which there are programs. There are Debian packages for those with
// Linux.
var targets = []target{
	{"linux", "amd64"}, {"linux", "arm64"}, {"darwin", "amd64"}, {"darwin", "arm64"}, {"windows", "amd64"},
}

func main() {
	local := flag.Bool("local", false, "build only for the architecture of this machine, and for Linux")
	flag.Parse()
	if *local {
		targets = slices.DeleteFunc(targets, func(t target) bool { return t.os != "linux" || t.arch != runtime.GOARCH })
	}
	if len(targets) == 0 {
		fmt.Fprintf(os.Stderr, "package: there is no package for %s: run make build\n", runtime.GOARCH)
		os.Exit(1)
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "package:", err)
		os.Exit(1)
	}
}

func run() error {
	number := strings.TrimPrefix(version.Get().Version, "v")
	epoch, err := commitTime()
	if err != nil {
		return err
	}
	if err := os.RemoveAll(dist); err != nil {
		return err
	}
	if err := os.Mkdir(dist, 0o755); err != nil {
		return err
	}
	var programs []string
	for _, t := range targets {
		program, err := build(t, number)
		if err != nil {
			return err
		}
		programs = append(programs, program)
	}
	if err := writeLicences(filepath.Join(dist, "LICENSES.txt"), programs); err != nil {
		return err
	}
	for _, t := range targets {
		if t.os != "linux" {
			continue
		}
		env := []string{"VERSION=" + number, "DEB_ARCH=" + t.arch, "SOURCE_DATE_EPOCH=" + strconv.FormatInt(epoch.Unix(), 10)}
		if err := command(env, "go", "run", nfpm, "package", "--packager", "deb", "--config", "integration/package/deb/nfpm.yaml", "--target", dist); err != nil {
			return err
		}
	}
	if err := zipPlugin(filepath.Join(dist, "heartbeatd-plugin_"+number+".zip"), epoch); err != nil {
		return err
	}
	return writeChecksums()
}

// build builds the program for a system, and its SBOM.
func build(t target, number string) (program string, err error) {
	program = filepath.Join(dist, fmt.Sprintf("heartbeatd_%s_%s_%s", number, t.os, t.arch))
	if t.os == "windows" {
		program += ".exe"
	}
	env := []string{"CGO_ENABLED=0", "GOFLAGS=", "GOOS=" + t.os, "GOARCH=" + t.arch}
	if err := command(env, "go", "build", "-trimpath", "-ldflags=-s -w", "-o", program, "./server/heartbeatd"); err != nil {
		return "", err
	}
	return program, writeSBOM(program, number)
}

// commitTime returns the time that files in packages have: SOURCE_DATE_EPOCH, or that of the commit.
func commitTime() (time.Time, error) {
	text := os.Getenv("SOURCE_DATE_EPOCH")
	if text == "" {
		out, err := exec.Command("git", "log", "-1", "--format=%ct").Output()
		if err != nil {
			return time.Time{}, fmt.Errorf("this is no clone of a git repository: set SOURCE_DATE_EPOCH to the time of the release in Unix seconds (git: %w)", err)
		}
		text = strings.TrimSpace(string(out))
	}
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}, fmt.Errorf("SOURCE_DATE_EPOCH must be Unix seconds: %w", err)
	}
	return time.Unix(seconds, 0).UTC(), nil
}

// command runs a program with env beside the environment, and shows what it prints only if it fails.
func command(env []string, name string, args ...string) error {
	c := exec.Command(name, args...)
	c.Env = append(os.Environ(), env...)
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", c, err, out)
	}
	return nil
}
