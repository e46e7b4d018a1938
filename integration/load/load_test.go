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

// TestMain runs a floor if floorEnv is set: the test binary is its own floors, as the program
// is.
func TestMain(m *testing.M) {
	if kind := os.Getenv(floorEnv); kind != "" {
		fail(runFloor(kind))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// tiny is just large enough for every step to happen.
var tiny = sizes{
	beaters: 3, beats: 30, pages: 25, few: 5, cold: 20, hearers: 8, joiners: 30, seen: 4,
	quiet: 20 * time.Millisecond, settle: 20 * time.Millisecond, idle: 50 * time.Millisecond, push: 60 * time.Millisecond,
	dashboardWarm: 20 * time.Millisecond, dashboardWatch: 100 * time.Millisecond,
	crowdSize: 8, crowdWatch: time.Second,
}

// TestWorkloads runs every workload with tiny sizes, and checks that it returns figures. Their
// values have no meaning.
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
				// The memory of a few pages may be 0.
				if memory := strings.HasPrefix(f.row, "idle-"); !memory && f.ours <= 0 {
					t.Errorf("%s: %v", f.row, f.ours)
				}
				delete(known, f.row)
			}
		})
	}
	for name := range known {
		if ran == len(workloads) && !t.Failed() {
			t.Errorf("no workload measures %s", name)
		}
	}
}

// TestPeers runs the workloads of the peers with tiny sizes.
func TestPeers(t *testing.T) {
	if os.Getenv("HEARTBEATD_INTEGRATION") == "" {
		t.Skip("it installs other servers: HEARTBEATD_INTEGRATION=1")
	}
	b := &bench{sizes: tiny, core: -1, binary: filepath.Join(t.TempDir(), "heartbeatd")}
	b.sizes.push = 500 * time.Millisecond // Node.js needs longer for the first messages
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

// TestStorm checks when one page of three knows of all others.
func TestStorm(t *testing.T) {
	entries := func(of ...string) string {
		for i := range of {
			of[i] = `{"client_id":"user-` + of[i] + `"}`
		}
		return strings.Join(of, ",")
	}
	complete := func(joined int, frames ...string) int {
		s := &storm{loop: new(loop), size: 3, joined: joined, place: []int{1, 2, 3}, pages: make([]knowledge, 3)}
		for _, f := range frames {
			s.receive(0, []byte(f))
		}
		if s.loop.err != nil {
			t.Error(s.loop.err)
		}
		return s.complete
	}
	whole := `{"snapshot":[` + entries("1") + `],"total":1}`
	cut := `{"snapshot":[` + entries("1") + `],"total":2}`
	if complete(1, whole, `{"joined":[`+entries("2", "2")+`]}`) != 0 {
		t.Error("complete without the third page")
	}
	if complete(1, whole, `{"joined":[`+entries("2")+`]}`, `{"joined":[`+entries("3")+`]}`) != 1 {
		t.Error("not complete with all pages")
	}
	if complete(2, cut, `{"joined":[`+entries("1")+`]}`) != 0 {
		t.Error("complete without the page that joined after a cut snapshot")
	}
	if complete(2, cut, `{"joined":[`+entries("3")+`]}`) != 1 {
		t.Error("not complete with a cut snapshot and the page that joined after it")
	}
	if complete(3, whole, `{"snapshot":[`+entries("3")+`],"total":3}`) != 1 {
		t.Error("not complete after a second snapshot")
	}
	if complete(2, whole, `{"joined":[`+entries("2")+`]}`, `{"snapshot":[`+entries("2")+`],"total":2}`) != 0 {
		t.Error("complete without the page that joined after the second snapshot")
	}
}

// TestChoose checks the choice of workloads by name.
func TestChoose(t *testing.T) {
	if all, err := choose(""); err != nil || len(all) != len(workloads) {
		t.Errorf("%d %v", len(all), err)
	}
	if some, err := choose("push,idle"); err != nil || len(some) != 2 || some[0].name != "push" {
		t.Errorf("%v %v", some, err)
	}
	if some, err := choose("scale"); err != nil || some != nil {
		t.Errorf("%v %v", some, err)
	}
	if _, err := choose("pull"); err == nil {
		t.Error("the unknown workload pull is accepted")
	}
}
