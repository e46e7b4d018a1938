//go:build linux

// Command load measures heartbeatd, and for comparison minimal servers of the same kind, the
// floors.
//
//	go run ./integration/load                          everything, three times, about thirteen minutes
//	go run ./integration/load -only push,join-storm    some of it
//	go run ./integration/load -quick -runs 1           a first look
//	go run ./integration/load -profile DIR -only idle  with profiles for `go tool pprof`
//	go run ./integration/load -peers                   with other servers of the same kind, which it installs
//	go run ./integration/load -only scale -plots docs  what pages cost by their number, up to 100,000
//
// The server has one core and the load another. Every figure with a floor is divided by the
// floor of the same run. The table shows medians.
package main

import (
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

func main() {
	if kind := os.Getenv(floorEnv); kind != "" {
		fail(runFloor(kind))
		return
	}
	only := flag.String("only", "", "workloads, with commas between them: "+names()+"; or one of "+strings.Join(slices.Sorted(maps.Keys(reports)), ", "))
	runs := flag.Int("runs", 3, "how often each is run")
	small := flag.Bool("quick", false, "smaller and shorter workloads")
	profile := flag.String("profile", "", "a `folder` for profiles of heartbeatd")
	plots := flag.String("plots", "", "a `folder` for the plots of scale")
	besidePeers := flag.Bool("peers", false, "measure other servers too, in the workloads that they support")
	flag.Parse()
	fail(run(*only, *runs, *small, *profile, *plots, *besidePeers))
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func names() string {
	var all []string
	for _, w := range workloads {
		all = append(all, w.name)
	}
	return strings.Join(all, ", ")
}

func run(only string, runs int, small bool, profile, plots string, besidePeers bool) error {
	chosen, err := choose(only)
	if err != nil {
		return err
	}
	if besidePeers {
		if chosen = withPeers(chosen); len(chosen) == 0 || profile != "" {
			return errors.New("-peers requires a workload that peers support, and excludes -profile")
		}
	}
	dir, err := os.MkdirTemp("", "heartbeatd-load-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	b := &bench{sizes: full, core: serverCore, plots: plots}
	if small {
		b.sizes = quick
	}
	if profile != "" {
		if b.profile, err = filepath.Abs(profile); err != nil {
			return err
		}
		if err := os.MkdirAll(profile, 0o755); err != nil {
			return err
		}
		b.beats *= 4 // a profile has a hundred samples a second
	}
	if err := b.build(dir); err != nil {
		return err
	}
	if besidePeers {
		if err := b.preparePeers(); err != nil {
			return err
		}
	}
	if runtime.NumCPU() < 2 {
		return fmt.Errorf("two cores are needed, one for the server and one for the load")
	}
	if err := raiseFiles(max(b.pages+b.beaters, coldPages(b.cold), b.once(), b.hearers+pushers, b.joiners, b.scaleFiles(only))); err != nil {
		return err
	}
	if err := pinSelf(ownCore); err != nil {
		return err
	}
	debug.SetGCPercent(400) // the load has enough memory, but only one core
	if report := reports[only]; report != nil {
		return errors.Join(report(b, os.Stdout), conditions(b.binary, 1))
	}
	all, failed := b.measure(chosen, runs)
	if small {
		fmt.Print("A first look: the workloads are smaller and shorter than the table says.\n\n")
	}
	return errors.Join(failed, report(b.binary, all, runs))
}

func choose(only string) ([]workload, error) {
	if only == "" {
		return workloads, nil
	}
	if reports[only] != nil {
		return nil, nil
	}
	var chosen []workload
	for name := range strings.SplitSeq(only, ",") {
		i := slices.IndexFunc(workloads, func(w workload) bool { return w.name == name })
		if i < 0 {
			return nil, fmt.Errorf("unknown workload %q: the workloads are %s", name, names())
		}
		chosen = append(chosen, workloads[i])
	}
	return chosen, nil
}

// measure runs all workloads, then all again, so that a slow minute of the machine does not
// affect one workload only. If one fails, the figures of the others are kept.
func (b *bench) measure(chosen []workload, runs int) (all results, failed error) {
	all = newResults()
	for n := range runs {
		for _, w := range chosen {
			began := time.Now()
			figures, err := w.run(b)
			if err != nil {
				failed = errors.Join(failed, fmt.Errorf("run %d: %s: %w", n+1, w.name, err))
				continue
			}
			for _, f := range figures {
				all.add(f)
				fmt.Fprintf(os.Stderr, "run %d: %-16s %12.5g  floor %12.5g\n", n+1, f.row, f.ours, f.floor)
			}
			failed = errors.Join(failed, b.measurePeers(n+1, w, all))
			fmt.Fprintf(os.Stderr, "run %d: %s took %.0f s\n", n+1, w.name, time.Since(began).Seconds())
		}
	}
	return all, failed
}

// measurePeers runs a workload with every peer, with -peers and if they support it.
func (b *bench) measurePeers(run int, w workload, all results) (failed error) {
	if b.peersDir == "" || w.peer == nil {
		return nil
	}
	for _, pr := range peers {
		figures, err := w.peer(b, pr)
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("run %d: %s: %s: %w", run, w.name, pr.name, err))
			continue
		}
		for _, f := range figures {
			all.peers[pr.name] = append(all.peers[pr.name], f)
			fmt.Fprintf(os.Stderr, "run %d: %-16s %12.5g  %s\n", run, f.row, f.ours, pr.name)
		}
	}
	return failed
}

// report writes the table, and the versions and the machine of the measurement.
func report(binary string, all results, runs int) error {
	if err := errors.Join(all.write(os.Stdout), all.writePeers(os.Stdout)); err != nil {
		return err
	}
	return conditions(binary, runs)
}

// conditions writes the versions and the machine of a measurement.
func conditions(binary string, runs int) error {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return err
	}
	info, err := buildinfo.ReadFile(binary)
	if err != nil {
		return err
	}
	fmt.Printf("\nMedians of %d. %s, Linux %s, %s; heartbeatd %s", runs, processor(), unix.ByteSliceToString(uts.Release[:]), info.GoVersion, revision())
	for _, d := range info.Deps {
		if slices.Contains([]string{"github.com/coder/websocket", "github.com/nats-io/nats-server/v2", "github.com/nats-io/nats.go"}, d.Path) {
			fmt.Printf(", %s %s", d.Path, d.Version)
		}
	}
	load, err := os.ReadFile("/proc/loadavg")
	fmt.Printf(". %s, load average %s\n", time.Now().UTC().Format("2006-01-02 15:04 MST"), strings.Join(strings.Fields(string(load))[:3], " "))
	return err
}

// revision returns git's description of the source.
func revision() string {
	out, err := exec.Command("git", "describe", "--always", "--dirty").Output()
	if err != nil {
		return "of an unknown revision"
	}
	return strings.TrimSpace(string(out))
}

// processor returns the name of the processor.
func processor() string {
	b, _ := os.ReadFile("/proc/cpuinfo")
	for line := range strings.Lines(string(b)) {
		if name, found := strings.CutPrefix(line, "model name"); found {
			return strings.TrimSpace(strings.TrimLeft(name, "\t :"))
		}
	}
	return runtime.GOARCH
}
