//go:build linux

// Command faults runs heartbeatd on three nodes and three NATS servers under simulated pages, lets
// parts fail one after the other, and checks after each fault that everything is right again:
//
//	go run ./integration/cluster/faults -pages 300 -minutes 10
//	go run ./integration/cluster/faults -only kill-node,stop-4
//	go run ./integration/cluster/faults -pages 5000 -sites 5000 -ttl 60s -only none,kill-nats
//	go run ./integration/cluster/faults -ttl 60s -only rolling-minute
//	go run ./integration/cluster/faults -pages 300 -older ./heartbeatd-of-before -only older-version
//
// It needs ip and nsenter. All processes and networks are in network namespaces that end with it.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/heartbeatd/heartbeatd/integration/cluster/machine"
	"github.com/heartbeatd/heartbeatd/integration/cluster/page"
)

// options are the flags.
type options struct {
	pages   int
	sites   int
	minutes float64
	seed    uint64
	only    string
	ttl     time.Duration
	beat    time.Duration
	kinds   string
	binary  string
	older   string
	logs    string
}

func main() {
	var o options
	flag.IntVar(&o.pages, "pages", 3000, "number of pages")
	flag.IntVar(&o.sites, "sites", 0, "number of sites (default: one for each 100 pages)")
	flag.Float64Var(&o.minutes, "minutes", 10, "begin no other round of faults after this time")
	flag.Uint64Var(&o.seed, "seed", 1, "seed of everything that is random")
	flag.StringVar(&o.only, "only", "", "names of faults, separated by commas; list prints them")
	flag.DurationVar(&o.ttl, "ttl", 10*time.Second, "the nodes' --presence-ttl")
	flag.DurationVar(&o.beat, "beat", 0, "the pages' interval; shorter than the TTL (default: three tenths of it)")
	flag.StringVar(&o.kinds, "kinds", "websocket,events,longpoll,post", "the kinds of pages: the first transport that they try")
	flag.StringVar(&o.binary, "binary", "", "program heartbeatd (default: built from this source)")
	flag.StringVar(&o.older, "older", "", "program heartbeatd of an older version, for the fault older-version")
	flag.StringVar(&o.logs, "logs", "", "folder for the logs of all processes")
	flag.Parse()
	if o.only == "list" {
		for _, f := range faults {
			fmt.Printf("%-16s %s\n", f.name, f.what)
		}
		return
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	inside, code, err := machine.Isolate(ctx)
	if err == nil && inside {
		err = o.run(ctx)
	}
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// run runs the faults, and returns what was wrong.
func (o *options) run(ctx context.Context) (err error) {
	list, err := o.faults()
	if err != nil {
		return err
	}
	kinds, err := page.ParseKinds(o.kinds)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(cmp.Or(o.logs, "."), 0o755); err != nil {
		return err
	}
	if err := o.limitPages(); err != nil {
		return err
	}
	c, err := start(ctx, o, kinds)
	defer func() { err = errors.Join(err, c.stop()) }()
	if err != nil {
		return err
	}
	return c.runFaults(ctx, list)
}

// faults returns the faults of -only, or all of them.
func (o *options) faults() (list []*fault, err error) {
	if o.only == "" {
		return slices.DeleteFunc(slices.Clone(faults), func(f *fault) bool { return f.name == olderVersion && o.older == "" }), nil
	}
	for _, name := range strings.Split(o.only, ",") {
		f := faultOf(name)
		if f == nil {
			return nil, fmt.Errorf("-only %s: no such fault; -only list prints them", name)
		}
		if name == olderVersion && o.older == "" {
			return nil, fmt.Errorf("-only %s needs -older", name)
		}
		list = append(list, f)
	}
	return list, nil
}

func faultOf(name string) *fault {
	for _, f := range faults {
		if f.name == name {
			return f
		}
	}
	return nil
}

// filesOfPage is how many files this process opens for a page at most, and otherFiles for the rest.
const filesOfPage, otherFiles = 3, 1000

// limitPages reduces the number of pages to what the limit of open files allows.
func (o *options) limitPages() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	if err := syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	if most := (int(limit.Max) - otherFiles) / filesOfPage; most < o.pages {
		fmt.Printf("%d pages instead of %d: a process may open only %d files\n", most, o.pages, limit.Max)
		o.pages = most
	}
	return nil
}
