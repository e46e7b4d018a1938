//go:build linux

package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestMain lets the test's own binary be the floors, as the program is.
func TestMain(m *testing.M) {
	if kind := os.Getenv(floorEnv); kind != "" {
		fail(runFloor(kind))
	}
	os.Exit(m.Run())
}

// tiny are just large enough for every step to happen.
var tiny = sizes{
	beaters: 3, beats: 30, pages: 25, few: 5, hearers: 8, joiners: 30, seen: 4,
	settle: 20 * time.Millisecond, idle: 50 * time.Millisecond, push: 60 * time.Millisecond,
	dashboardWarm: 20 * time.Millisecond, dashboardWatch: 100 * time.Millisecond,
}

// TestWorkloads runs every workload, tiny, and wants its figures: what they are
// says nothing here.
func TestWorkloads(t *testing.T) {
	b := &bench{sizes: tiny, core: -1}
	if err := b.build(t.TempDir()); err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	for _, r := range rows {
		known[r.name] = true
	}
	ran := 0
	for _, w := range workloads {
		t.Run(w.name, func(t *testing.T) {
			ran++
			figures, err := w.run(b)
			if err != nil {
				t.Fatal(err)
			}
			if len(figures) == 0 {
				t.Error("no figures")
			}
			for _, f := range figures {
				if !known[f.row] {
					t.Errorf("%s is no row of the table", f.row)
				}
				// A share of memory may be none at all, where pages are few.
				if memory := strings.HasPrefix(f.row, "idle-"); !memory && f.ours <= 0 {
					t.Errorf("%s: %v", f.row, f.ours)
				}
				delete(known, f.row)
			}
		})
	}
	for name := range known {
		if ran == len(workloads) && !t.Failed() {
			t.Errorf("nothing measures %s", name)
		}
	}
}

// TestPeers runs every workload that peers take part in against each of them, tiny.
func TestPeers(t *testing.T) {
	if os.Getenv("HEARTBEATD_INTEGRATION") == "" {
		t.Skip("it installs other servers: HEARTBEATD_INTEGRATION=1")
	}
	b := &bench{sizes: tiny, core: -1, binary: filepath.Join(t.TempDir(), "heartbeatd")}
	b.sizes.push = 500 * time.Millisecond // Node.js needs longer to be seen to do something
	if err := b.preparePeers(); err != nil {
		t.Fatal(err)
	}
	for _, w := range withPeers(workloads) {
		for _, pr := range peers {
			t.Run(w.name+" "+pr.name, func(t *testing.T) {
				figures, err := w.peer(b, pr)
				if err != nil || len(figures) == 0 {
					t.Fatal(figures, err)
				}
				for _, f := range figures {
					if !slices.ContainsFunc(rows, func(r row) bool { return r.name == f.row }) {
						t.Errorf("%s is no row of the table", f.row)
					}
					if memory := strings.HasPrefix(f.row, "idle-"); !memory && f.ours <= 0 {
						t.Errorf("%s: %v", f.row, f.ours)
					}
				}
			})
		}
	}
}

// TestStorm follows what one page of three is told.
func TestStorm(t *testing.T) {
	entries := func(of ...string) string {
		for i := range of {
			of[i] = `{"client_id":"user-` + of[i] + `"}`
		}
		return strings.Join(of, ",")
	}
	told := func(came int, frames ...string) int {
		s := &storm{loop: new(loop), size: 3, came: came, place: []int{1, 2, 3}, knows: make([]knowledge, 3)}
		for _, f := range frames {
			s.hear(0, []byte(f))
		}
		if s.loop.err != nil {
			t.Error(s.loop.err)
		}
		return s.told
	}
	whole := `{"snapshot":[` + entries("1") + `],"total":1}`
	cut := `{"snapshot":[` + entries("1") + `],"total":2}`
	if told(1, whole, `{"joined":[`+entries("2", "2")+`]}`) != 0 {
		t.Error("told without the third")
	}
	if told(1, whole, `{"joined":[`+entries("2")+`]}`, `{"joined":[`+entries("3")+`]}`) != 1 {
		t.Error("not told, with everybody listed")
	}
	if told(2, cut, `{"joined":[`+entries("1")+`]}`) != 0 {
		t.Error("told without who came after a snapshot that was cut")
	}
	if told(2, cut, `{"joined":[`+entries("3")+`]}`) != 1 {
		t.Error("not told, with the rest only counted")
	}
	if told(3, whole, `{"snapshot":[`+entries("3")+`],"total":3}`) != 1 {
		t.Error("not told, with a second snapshot")
	}
	if told(2, whole, `{"joined":[`+entries("2")+`]}`, `{"snapshot":[`+entries("2")+`],"total":2}`) != 0 {
		t.Error("told without who came after the second snapshot")
	}
}

// TestChoose names workloads, and what is none.
func TestChoose(t *testing.T) {
	if all, err := choose(""); err != nil || len(all) != len(workloads) {
		t.Errorf("%d %v", len(all), err)
	}
	if some, err := choose("push,idle"); err != nil || len(some) != 2 || some[0].name != "push" {
		t.Errorf("%v %v", some, err)
	}
	if _, err := choose("pull"); err == nil {
		t.Error("pull is no workload")
	}
}
