//go:build linux

// Package machine runs heartbeatd and nats-server as processes, each in a network namespace of
// its own, so that networks between them can be cut. All namespaces and links end with the
// processes in them.
package machine

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"syscall"
)

// The networks between hosts. Each is a bridge in the namespace of this program, which has the
// last address of each.
const (
	Front Net = "front" // from the balancer to the nodes
	Back  Net = "back"  // from the nodes and observers to NATS
	Route Net = "route" // between NATS servers
)

// Net is the name of a network.
type Net string

var subnets = map[Net]string{Front: "10.91.1.", Back: "10.91.2.", Route: "10.91.3."}

// Own is the address of this program on the network of the balancer.
const Own = "10.91.1.254"

const isolated = "HEARTBEATD_FAULTS_ISOLATED"

// Isolate runs this program again in a network namespace of its own and returns its exit code.
// In that program it sets up the networks, and returns inside as true.
func Isolate(ctx context.Context) (inside bool, code int, err error) {
	if os.Getenv(isolated) != "" {
		return true, 0, addBridges()
	}
	cmd := exec.Command("/proc/self/exe", os.Args[1:]...)
	cmd.Env = append(os.Environ(), isolated+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if os.Geteuid() != 0 {
		cmd.SysProcAttr.Cloneflags |= syscall.CLONE_NEWUSER
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	}
	interrupts := make(chan os.Signal, 1)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupts)
	if err := cmd.Start(); err != nil {
		return false, 0, fmt.Errorf("a network namespace is needed: run as root, or allow user namespaces: %w", err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	for {
		select {
		case err = <-ended:
			var exit *exec.ExitError
			if errors.As(err, &exit) {
				return false, max(1, exit.ExitCode()), nil
			}
			return false, 0, err
		case s := <-interrupts:
			_ = cmd.Process.Signal(s)
		case <-ctx.Done():
			_ = cmd.Process.Signal(syscall.SIGTERM)
			ctx = context.Background()
		}
	}
}

func addBridges() error {
	if err := run("ip", "link", "set", "lo", "up"); err != nil {
		return err
	}
	for net, subnet := range subnets {
		for _, args := range [][]string{
			{"link", "add", string(net), "type", "bridge"},
			{"addr", "add", subnet + "254/24", "dev", string(net)},
			{"link", "set", string(net), "up"},
		} {
			if err := run("ip", args...); err != nil {
				return err
			}
		}
	}
	return nil
}

// Host is a network namespace with an address in some networks.
type Host struct {
	holder *exec.Cmd // keeps the namespace
	number int
	nets   []Net
}

// NewHost makes a host. Its number is the last part of its addresses.
func NewHost(number int, nets ...Net) (*Host, error) {
	h := &Host{holder: exec.Command("sleep", "infinity"), number: number, nets: nets}
	h.holder.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET, Pdeathsig: syscall.SIGKILL}
	if err := h.holder.Start(); err != nil {
		return nil, err
	}
	if err := h.inside("ip", "link", "set", "lo", "up"); err != nil {
		return nil, err
	}
	for _, net := range nets {
		if err := h.connect(net); err != nil {
			return nil, err
		}
	}
	return h, nil
}

func (h *Host) connect(net Net) error {
	pid := fmt.Sprint(h.holder.Process.Pid)
	if err := run("ip", "link", "add", h.link(net), "type", "veth", "peer", "name", string(net), "netns", pid); err != nil {
		return err
	}
	if err := h.inside("ip", "addr", "add", h.Address(net)+"/24", "dev", string(net)); err != nil {
		return err
	}
	if err := h.inside("ip", "link", "set", string(net), "up"); err != nil {
		return err
	}
	return errors.Join(run("ip", "link", "set", h.link(net), "up"), h.Join(net))
}

// link returns the name of the bridge's end of the link to a network.
func (h *Host) link(net Net) string { return fmt.Sprintf("%s%d", net, h.number) }

// Address returns the host's address in a network.
func (h *Host) Address(net Net) string { return subnets[net] + fmt.Sprint(h.number) }

// Cut removes the host from a network: packets in both directions are lost.
func (h *Host) Cut(net Net) error { return run("ip", "link", "set", h.link(net), "nomaster") }

// Join adds the host to a network again.
func (h *Host) Join(net Net) error {
	return run("ip", "link", "set", h.link(net), "master", string(net))
}

// Remove ends the host.
func (h *Host) Remove() {
	_ = h.holder.Process.Kill()
	_ = h.holder.Wait()
}

// command returns the arguments that run a program in the host's namespace.
func (h *Host) command(args ...string) []string {
	return append([]string{"nsenter", "-t", fmt.Sprint(h.holder.Process.Pid), "-n", "--"}, args...)
}

func (h *Host) inside(args ...string) error {
	all := h.command(args...)
	return run(all[0], all[1:]...)
}

func run(program string, args ...string) error {
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s %s: %w: %s", program, strings.Join(args, " "), err, out)
	}
	return nil
}
