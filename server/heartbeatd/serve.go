package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	clientjs "github.com/heartbeatd/heartbeatd/client-js"
	"github.com/heartbeatd/heartbeatd/server"
	"github.com/heartbeatd/heartbeatd/server/demosite"
	"github.com/heartbeatd/heartbeatd/server/heartbeatd/secretfile"
	"github.com/heartbeatd/heartbeatd/server/limit"
	"github.com/heartbeatd/heartbeatd/server/settings"
)

type serveCmd struct {
	Listen      string `default:"127.0.0.1:8080" help:"Address of the public listener: HOST:PORT, or unix:PATH for a Unix socket."`
	BasePath    string `default:"/heartbeat" help:"URL path of the transports."`
	AdminListen string `default:"127.0.0.1:8081" help:"Address of the admin listener, likewise."`
	NatsURL     string `help:"URL of an external NATS server or cluster. Without it an embedded NATS server runs." placeholder:"URL"`
	NatsFlags
	NatsStore
	NatsListen string `help:"Address on which the embedded NATS server accepts clients. Without --nats-observer it must be a loopback address." placeholder:"ADDR"`

	NatsURLFile secretfile.Content `help:"File with the URL of the NATS server, in place of --nats-url if it has a password." placeholder:"FILE"`

	NatsObserver map[string]string `help:"Read-only credentials for the embedded NATS server: a site ID and a password for the presence of that site, or observer and a password for that of all sites." placeholder:"NAME=PASSWORD"`

	NatsObserverFile map[string]secretfile.Content `help:"Files with the passwords of --nats-observer, in place of it." placeholder:"NAME=FILE"`

	StateDir string `help:"Folder in which the embedded NATS server keeps revocations of tickets for after a restart. Default: the one of systemd's StateDirectory, or heartbeatd in the user's folder for state ($XDG_STATE_HOME, ~/.local/state). The demo site keeps none." placeholder:"DIR"`

	PresenceTTL time.Duration `default:"60s" help:"Lifetime of a presence entry that is not renewed."`
	DrainTime   time.Duration `default:"20s" help:"How long heartbeatd takes at most to send its pages to other nodes when it stops. Without another node it closes their connections at once."`

	APIKey     string `help:"API key of the operator, valid for every site." placeholder:"KEY"`
	MetricsKey string `help:"Bearer key that /metrics asks for." placeholder:"KEY"`

	APIKeyFile     secretfile.Content `help:"File with the API key, in place of --api-key." placeholder:"FILE"`
	MetricsKeyFile secretfile.Content `help:"File with the key of --metrics-key, in place of it." placeholder:"FILE"`

	Sites siteList `help:"Several sites, as a JSON list of {id, origins, upstream, secrets, network, private}. Meant for the configuration file." placeholder:"JSON"`

	SiteID        string         `default:"default" help:"ID of the site."`
	SiteSecret    *string        `help:"Secret that signs the site's tickets." placeholder:"SECRET"`
	SiteOldSecret string         `help:"Previous secret, accepted while the secret is being replaced." placeholder:"SECRET"`
	SiteUpstream  string         `help:"URL of the site's WordPress, for heartbeatd in front of its admin-ajax.php." placeholder:"URL"`
	SiteNetwork   bool           `help:"The site is a WordPress network, whose secret also signs for the sites ID-2, ID-3 and so on. Needed with --nats-url, with --sites, and with --nats-listen without --nats-observer: otherwise there is no other site that could have such an ID."`
	SitePrivate   bool           `help:"Call the site also if its host name leads to a loopback or private address. Needed with --sites."`
	TrustedProxy  []netip.Prefix `help:"Addresses of web servers whose X-Forwarded headers are trusted." placeholder:"CIDR"`
	SiteOrigin    []string       `help:"Origin of the site's pages, for example https://example.org, if they are on another host. A path after it is ignored." placeholder:"URL"`

	SiteSecretFile    secretfile.Content `help:"File with the secret, in place of --site-secret." placeholder:"FILE"`
	SiteOldSecretFile secretfile.Content `help:"File with the previous secret, in place of --site-old-secret." placeholder:"FILE"`

	LimitFlags

	reloads *reloads // nil in tests that do not reload
}

// AfterApply takes secrets, keys and passwords from their files. The parser calls it.
func (c *serveCmd) AfterApply() error {
	secret := ""
	if c.SiteSecret != nil {
		secret = *c.SiteSecret
	}
	err := errors.Join(
		c.NatsURLFile.Set(&c.NatsURL, "nats-url"), c.APIKeyFile.Set(&c.APIKey, "api-key"), c.MetricsKeyFile.Set(&c.MetricsKey, "metrics-key"),
		c.SiteSecretFile.Set(&secret, "site-secret"), c.SiteOldSecretFile.Set(&c.SiteOldSecret, "site-old-secret"),
	)
	if secret != "" {
		c.SiteSecret = &secret
	}
	for name, content := range c.NatsObserverFile {
		password := c.NatsObserver[name]
		err = errors.Join(err, content.Set(&password, "nats-observer"))
		if c.NatsObserver == nil {
			c.NatsObserver = make(map[string]string)
		}
		c.NatsObserver[name] = password
	}
	return err
}

// Run serves until ctx ends, and then drains.
func (c *serveCmd) Run(ctx context.Context, log *slog.Logger) error {
	defer c.reloads.catch()() // a signal during the start does not end the process
	config, err := c.config(log)
	if err != nil {
		return err
	}
	if len(config.Sites) == 0 {
		config.Demo = demosite.New(demosite.Key(log))
	}
	demo := config.Demo != nil
	observers, err := c.observers()
	if err != nil {
		return err
	}
	b, err := c.openBroker(ctx, broker.Config{URL: c.NatsURL, NATS: c.nats(), Listen: c.natsListen(demo), Observers: observers, TTL: c.PresenceTTL, Logger: log}, demo)
	if err != nil {
		return c.natsError(err)
	}
	defer func() { _ = b.Close() }()

	config.Broker = b
	s, err := server.New(config)
	if err != nil {
		return err
	}
	return c.listen(ctx, log, s, b, demo)
}

// config returns the configuration of the server, if it is valid. It has no broker yet.
func (c *serveCmd) config(log *slog.Logger) (server.Config, error) {
	sites, err := c.sites(log)
	if err != nil {
		return server.Config{}, err
	}
	limits, err := c.max()
	if err != nil {
		return server.Config{}, err
	}
	config := server.Config{
		Sites: sites, Limits: limits, BasePath: c.BasePath, Scripts: clientjs.Dist, Logger: log,
		TrustedProxies: c.TrustedProxy, APIKey: c.APIKey, MetricsKey: c.MetricsKey,
	}
	if err := settings.CheckPath(c.BasePath); err != nil {
		return config, err
	}
	_, err = settings.Check(sites, limit.New(nil, nil), log)
	return config, err
}

const (
	// minSecret is the number of bytes below which a secret gets a warning.
	minSecret = 32
	// minPassword is the minimum number of bytes of an observer's password.
	minPassword = 16
)

// sharesNATS reports whether other nodes may use the same NATS, with sites of their own.
func (c *serveCmd) sharesNATS() bool {
	return c.NatsURL != "" || c.NatsListen != "" && len(c.NatsObserver) == 0
}

// checkNATS returns what is wrong with the flags of NATS.
func (c *serveCmd) checkNATS() error {
	config := broker.Config{URL: c.NatsURL, NATS: c.nats(), Listen: c.NatsListen, TTL: c.PresenceTTL}
	if err := config.Check(); err != nil {
		return c.natsError(err)
	}
	return nil
}

// natsError names the flag that an error of the broker is about.
func (c *serveCmd) natsError(err error) error {
	switch {
	case strings.HasPrefix(err.Error(), "NATS listen address"):
		return fmt.Errorf("--nats-listen: %w", err)
	case strings.HasPrefix(err.Error(), "--"): // it names the flag
		return err
	case strings.HasPrefix(err.Error(), "presence TTL"):
		return fmt.Errorf("--presence-ttl: %w", err)
	case c.NatsURL != "":
		return fmt.Errorf("--nats-url: %w", err)
	}
	return err
}

// natsListen returns the address on which the embedded NATS server accepts clients,
// if any. The demo site has one for heartbeatd watch: the usual address, or a free
// port if that is taken.
func (c *serveCmd) natsListen(demo bool) string {
	if c.NatsListen != "" || !demo || c.NatsURL != "" {
		return c.NatsListen
	}
	const usual = "127.0.0.1:4222"
	l, err := net.Listen("tcp", usual)
	if err != nil {
		return "127.0.0.1:0"
	}
	_ = l.Close()
	return usual
}

// allSites is the name of the observer that may read the presence of all sites.
const allSites = "observer"

// observers returns the NATS users of --nats-observer.
func (c *serveCmd) observers() (list []broker.Login, err error) {
	if len(c.NatsObserver) > 0 && (c.NatsURL != "" || c.NatsListen == "") {
		return nil, errors.New("--nats-observer requires --nats-listen and the embedded NATS server")
	}
	for name, password := range c.NatsObserver {
		if len(password) < minPassword {
			return nil, fmt.Errorf("--nats-observer %s: the password must have at least %d characters", name, minPassword)
		}
		login := broker.Login{User: name, Password: password, Site: name}
		if name == allSites {
			login.Site = ""
		}
		list = append(list, login)
	}
	return list, nil
}
