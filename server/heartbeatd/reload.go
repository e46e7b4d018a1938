package main

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"os/signal"
	"reflect"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"

	"github.com/heartbeatd/heartbeatd/server"
)

// reloadable are the flags whose new values a reload takes, besides those of sites, which the server
// compares.
var reloadable = []string{
	"log-level", "trusted-proxy", "api-key", "metrics-key", "max-pages", "max-user-pages", "max-address-pages", "max-queue-bytes", "max-beats",
}

// ofSites are the flags about sites, and those that name files with the values of others.
func ofSites(flag string) bool {
	return flag == "sites" || strings.HasPrefix(flag, "site-") || strings.HasSuffix(flag, "-file")
}

// reloads reads the configuration again when the process gets SIGHUP.
type reloads struct {
	args        []string
	first, last *kong.Context // with the flags of the configuration of the start, and of the last one
	level       *slog.LevelVar

	signals chan os.Signal
}

// catch makes signals wait for run. It returns what ends that.
func (r *reloads) catch() (stop func()) {
	if r == nil {
		return func() {}
	}
	r.signals = make(chan os.Signal, 1)
	signal.Notify(r.signals, syscall.SIGHUP)
	return func() { signal.Stop(r.signals) }
}

// run reloads until ctx ends. demo says that heartbeatd serves the demo site.
func (r *reloads) run(ctx context.Context, s *server.Server, demo bool, log *slog.Logger) {
	if r == nil {
		return
	}
	for {
		select {
		case <-ctx.Done():
			return
		case <-r.signals:
		}
		if err := r.reload(s, demo, log); err != nil {
			log.Error("the new configuration is refused, and the last one stays: " + err.Error())
		}
	}
}

func (r *reloads) reload(s *server.Server, demo bool, log *slog.Logger) error {
	c, command, err := parse(r.args)
	if err != nil {
		return err
	}
	config, err := c.Serve.config(log)
	if err != nil {
		return err
	}
	if _, err := c.Serve.observers(); err != nil {
		return err
	}
	if err := c.Serve.checkNATS(); err != nil {
		return err
	}
	switch {
	case !demo && len(config.Sites) == 0:
		return errors.New("it has no site: set --site-secret or --sites")
	case demo && len(config.Sites) > 0:
		return errors.New("heartbeatd serves the demo site: restart it to serve a site")
	}
	sites, restart, err := s.Reload(config)
	if err != nil {
		return err
	}
	flags, later := r.changes(command)
	r.level.Set(c.level())
	log.Info("the configuration is reloaded", "changed", list(append(flags, sites...)), "needs a restart", list(append(later, restart...)))
	r.last = command
	return nil
}

// changes returns the names of the flags with new values, and of those that need a restart.
func (r *reloads) changes(next *kong.Context) (changed, later []string) {
	first, last := values(r.first), values(r.last)
	for name, value := range values(next) {
		switch {
		case ofSites(name):
		case slices.Contains(reloadable, name):
			if !reflect.DeepEqual(value, last[name]) {
				changed = append(changed, name)
			}
		case !reflect.DeepEqual(value, first[name]):
			later = append(later, name)
		}
	}
	slices.Sort(changed)
	slices.Sort(later)
	return changed, later
}

func values(command *kong.Context) map[string]any {
	all := make(map[string]any)
	for _, flag := range command.Flags() {
		all[flag.Name] = flag.Target.Interface()
	}
	return all
}

func list(names []string) string {
	if len(names) == 0 {
		return "nothing"
	}
	return strings.Join(names, "; ")
}
