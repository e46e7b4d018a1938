//go:build linux

// Package docker has the recipe for Docker. Its tests need no Docker.
package docker

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"
)

// top is the top of the repository.
const top = "../../.."

const secret = "a secret for tests, as long as one should be"

// image is what a Dockerfile says.
type image struct {
	build   []string // the commands that fill the folder /image, the files of the image
	env     []string
	user    uint32
	volume  string
	command []string
}

func readDockerfile(t *testing.T) (i image) {
	t.Helper()
	text, err := os.ReadFile("Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		step, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		var list []string
		switch step {
		case "RUN":
			i.build = append(i.build, value)
		case "ENV":
			i.env = append(i.env, value)
		case "VOLUME":
			i.volume = value
		case "USER":
			user, group, _ := strings.Cut(value, ":")
			id, err := strconv.ParseUint(user, 10, 32)
			if err != nil || id == 0 || group != user {
				t.Errorf("USER %s", value)
			}
			i.user = uint32(id)
		case "ENTRYPOINT", "CMD":
			if err := json.Unmarshal([]byte(value), &list); err != nil {
				t.Errorf("%s: %v", line, err)
			}
			i.command = append(i.command, list...)
		case "FROM", "WORKDIR", "COPY", "EXPOSE", "#", "":
		default:
			t.Errorf("the test does not know %q", line)
		}
	}
	return i
}

// TestImage builds the files of the image as the Dockerfile says, on this machine in place of the image of
// Go, and runs heartbeatd in them.
func TestImage(t *testing.T) {
	if os.Getenv("CI") == "" && os.Getenv("HEARTBEATD_INTEGRATION") == "" {
		t.Skip("an integration test: make test runs it, or HEARTBEATD_INTEGRATION=1")
	}
	if os.Getuid() != 0 {
		t.Skip("only root may use chroot")
	}
	i := readDockerfile(t)
	files := t.TempDir()
	for _, command := range i.build {
		c := exec.CommandContext(t.Context(), "sh", "-ec", strings.ReplaceAll(command, "/image", files))
		c.Dir = top
		if out, err := c.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", command, err, out)
		}
	}
	if found, want := list(t, files), []string{"/etc/ssl/certs/ca-certificates.crt", "/usr/bin/heartbeatd"}; !slices.Equal(found, want) {
		t.Errorf("the image has %v, want %v", found, want)
	}

	lines, _ := i.run(t, files)
	if line := <-lines; !strings.Contains(line, "--site-secret is empty") {
		t.Errorf("without a secret: %q", line)
	}
	lines, p := i.run(t, files, "HEARTBEATD_SITE_SECRET="+secret)
	ready := ""
	for line := range lines {
		if strings.Contains(line, "msg=ready") {
			ready = line
			status, err := os.ReadFile("/proc/" + strconv.Itoa(p.Pid) + "/status")
			if id := strconv.Itoa(int(i.user)); err != nil || !strings.Contains(string(status), "\nUid:\t"+id+"\t"+id) {
				t.Errorf("%v, not run by %s: %s", err, id, status)
			}
			_ = p.Signal(syscall.SIGTERM)
		}
		if strings.Contains(line, "level=WARN") || strings.Contains(line, "level=ERROR") {
			t.Error(line)
		}
	}
	if ready == "" {
		t.Error("heartbeatd was not ready")
	}
	if len(list(t, filepath.Join(files, i.volume))) == 0 {
		t.Error("the volume has no revocations")
	}
}

// run runs the program of the image, on free ports, and returns the lines of its log.
func (i image) run(t *testing.T, files string, env ...string) (<-chan string, *os.Process) {
	t.Helper()
	c := exec.Command(i.command[0], i.command[1:]...)
	c.Env = append(slices.Concat(i.env, env), "HEARTBEATD_LISTEN=127.0.0.1:0", "HEARTBEATD_ADMIN_LISTEN=127.0.0.1:0")
	c.Dir = "/"
	c.SysProcAttr = &syscall.SysProcAttr{Chroot: files, Credential: &syscall.Credential{Uid: i.user, Gid: i.user}, Pdeathsig: syscall.SIGKILL}
	out, err := c.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	late := time.AfterFunc(time.Minute, func() { _ = c.Process.Kill() })
	lines := make(chan string)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
		close(lines)
		_ = c.Wait()
	}()
	t.Cleanup(func() {
		_ = c.Process.Kill()
		for range lines {
		}
		<-ended
		late.Stop()
	})
	return lines, c.Process
}

// list returns the names of the files in a folder.
func list(t *testing.T, folder string) (names []string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, d os.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			names = append(names, strings.TrimPrefix(path, folder))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return names
}

// service is one of compose.yaml, with the keys that the file uses. It has no others.
type service struct {
	Image       string
	Build       struct{ Context, Dockerfile string }
	Command     []string
	Environment map[string]string
	Ports       []string
	Volumes     []string
	DependsOn   any `yaml:"depends_on"`
	Restart     string
	ReadOnly    bool `yaml:"read_only"`
	Tmpfs       string
	CapDrop     []string       `yaml:"cap_drop"`
	SecurityOpt []string       `yaml:"security_opt"`
	StopGrace   string         `yaml:"stop_grace_period"`
	Ulimits     map[string]int `yaml:"ulimits"`
}

// TestCompose checks that what compose.yaml mounts exists, that heartbeatd and WordPress have the same
// secret, and that only the site is published.
func TestCompose(t *testing.T) {
	text, err := os.ReadFile("compose.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var project struct {
		Name     string
		Services map[string]service
		Volumes  map[string]any
	}
	if err := yaml.Load(text, &project, yaml.WithKnownFields()); err != nil {
		t.Fatal(err)
	}
	var published []string
	for name, s := range project.Services {
		published = append(published, s.Ports...)
		for _, v := range s.Volumes {
			from, _, _ := strings.Cut(v, ":")
			if _, named := project.Volumes[from]; named {
				continue
			}
			if _, err := os.Stat(from); err != nil {
				t.Errorf("%s mounts %s: %v", name, v, err)
			}
		}
	}
	if want := []string{"127.0.0.1:8000:80"}; !slices.Equal(published, want) {
		t.Errorf("published are %v, want %v", published, want)
	}
	heartbeatd, wordpress := project.Services["heartbeatd"], project.Services["wordpress"]
	if _, err := os.Stat(filepath.Join(heartbeatd.Build.Context, heartbeatd.Build.Dockerfile)); err != nil {
		t.Error(err)
	}
	i := readDockerfile(t)
	if !heartbeatd.ReadOnly || heartbeatd.Tmpfs != "/tmp" || !slices.Equal(heartbeatd.Volumes, []string{"state:" + i.volume}) {
		t.Errorf("heartbeatd may write to %v", heartbeatd.Volumes)
	}
	variable := regexp.MustCompile(`\$\{HEARTBEATD_SECRET:\?[^}]+\}`)
	given := variable.FindString(heartbeatd.Environment["HEARTBEATD_SITE_SECRET"])
	if given == "" || !strings.Contains(wordpress.Environment["WORDPRESS_CONFIG_EXTRA"], "define( 'HEARTBEATD_SECRET', '"+given+"' );") {
		t.Errorf("heartbeatd has the secret %q, WordPress has %s", given, wordpress.Environment["WORDPRESS_CONFIG_EXTRA"])
	}
}
