//go:build linux

package main

import (
	"fmt"
	"io"
	"regexp"
	"time"
)

// usage is what all nodes together use, and NATS.
type usage struct {
	goroutines, files, heap int
	cpu, natsCPU            time.Duration // so far
}

var gauge = regexp.MustCompile(`(?m)^(go_goroutines|go_memstats_heap_inuse_bytes) ([0-9.e+]+)$`)

// usage reads what the nodes and the NATS servers use.
func (c *cluster) usage() (u usage, err error) {
	for _, n := range c.nodes {
		of, err := n.Usage()
		if err != nil {
			return u, err
		}
		u.files += of.Files
		u.cpu += of.CPU
		r, err := direct.Get("http://" + n.Admin + "/metrics")
		if err != nil {
			return u, err
		}
		text, err := io.ReadAll(r.Body)
		_ = r.Body.Close()
		if err != nil {
			return u, err
		}
		for _, m := range gauge.FindAllStringSubmatch(string(text), -1) {
			var value float64
			_, _ = fmt.Sscan(m[2], &value)
			if m[1] == "go_goroutines" {
				u.goroutines += int(value)
			} else {
				u.heap += int(value)
			}
		}
	}
	for _, s := range c.servers {
		of, err := s.Usage()
		if err != nil {
			return u, err
		}
		u.natsCPU += of.CPU
	}
	return u, nil
}

// growth returns what the nodes use much more of than at the start.
func (u *usage) growth(base usage) (wrong []string) {
	for _, of := range []struct {
		what          string
		now, then, by int
	}{
		{"goroutines", u.goroutines, base.goroutines, 500}, {"open files", u.files, base.files, 500}, {"bytes of heap", u.heap, base.heap, 200 << 20},
	} {
		if of.now > of.then*3/2+of.by {
			wrong = append(wrong, fmt.Sprintf("the nodes have %d %s, %d at the start", of.now, of.what, of.then))
		}
	}
	return wrong
}
