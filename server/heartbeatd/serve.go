package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/heartbeatd/heartbeatd/broker"
	clientjs "github.com/heartbeatd/heartbeatd/client-js"
	"github.com/heartbeatd/heartbeatd/server"
	"github.com/heartbeatd/heartbeatd/server/demosite"
)

type serveCmd struct {
	Listen      string `default:"127.0.0.1:8080" help:"Address of the public listener."`
	BasePath    string `default:"/heartbeat" help:"URL path of the transports."`
	AdminListen string `default:"127.0.0.1:8081" help:"Address of the admin listener."`
	NatsURL     string `help:"URL of an external NATS server or cluster. Without it an embedded NATS server runs." placeholder:"URL"`
	NatsListen  string `help:"Address on which the embedded NATS server accepts clients. Without --nats-observer it must be a loopback address." placeholder:"ADDR"`

	NatsObserver map[string]string `help:"Read-only credentials for the embedded NATS server: a site ID and a password for the presence of that site, or observer and a password for that of all sites." placeholder:"NAME=PASSWORD"`

	StateDir string `help:"Folder in which the embedded NATS server keeps revocations of tickets for after a restart. Default: the one of systemd's StateDirectory, or heartbeatd in the user's folder for state ($XDG_STATE_HOME, ~/.local/state). The demo site keeps none." placeholder:"DIR"`

	PresenceTTL time.Duration `default:"60s" help:"Lifetime of a presence entry that is not renewed."`
	DrainTime   time.Duration `default:"5s" help:"How long heartbeatd takes to close the connections of pages when it stops."`

	APIKey     string `help:"API key of the operator, valid for every site." placeholder:"KEY"`
	MetricsKey string `help:"Bearer key that /metrics asks for." placeholder:"KEY"`

	Sites siteList `help:"Several sites, as a JSON list of {id, origins, upstream, secrets, network, private}. Meant for the configuration file." placeholder:"JSON"`

	SiteID        string         `default:"default" help:"ID of the site."`
	SiteSecret    *string        `help:"Secret that signs the site's tickets." placeholder:"SECRET"`
	SiteOldSecret string         `help:"Previous secret, accepted while the secret is being replaced." placeholder:"SECRET"`
	SiteUpstream  string         `help:"URL of the site's WordPress, for heartbeatd in front of its admin-ajax.php." placeholder:"URL"`
	SiteNetwork   bool           `help:"The site is a WordPress network, whose secret also signs for the sites ID-2, ID-3 and so on. Needed with --nats-url, with --sites, and with --nats-listen without --nats-observer: otherwise there is no other site that could have such an ID."`
	SitePrivate   bool           `help:"Call the site also if its host name leads to a loopback or private address. Needed with --sites."`
	TrustedProxy  []netip.Prefix `help:"Addresses of web servers whose X-Forwarded headers are trusted." placeholder:"CIDR"`
	SiteOrigin    []string       `help:"Origin of the site's pages, for example https://example.org, if they are on another host. A path after it is ignored." placeholder:"URL"`
}

// Run serves until ctx ends, and then drains.
func (c *serveCmd) Run(ctx context.Context, log *slog.Logger) error {
	sites, err := c.sites(log)
	if err != nil {
		return err
	}
	var demo *demosite.Site
	if len(sites) == 0 {
		demo = demosite.New(demosite.Key(log))
	}
	observers, err := c.observers()
	if err != nil {
		return err
	}
	b, err := c.openBroker(ctx, broker.Config{URL: c.NatsURL, Listen: c.natsListen(demo != nil), Observers: observers, TTL: c.PresenceTTL, Logger: log}, demo != nil)
	if err != nil {
		return c.natsError(err)
	}
	defer func() { _ = b.Close() }()

	s, err := server.New(server.Config{
		Broker: b, Sites: sites, Demo: demo, BasePath: c.BasePath, Scripts: clientjs.Dist, Logger: log,
		TrustedProxies: c.TrustedProxy, APIKey: c.APIKey, MetricsKey: c.MetricsKey,
	})
	if err != nil {
		return err
	}
	return c.listen(ctx, log, s, b, demo != nil)
}

const (
	// minSecret is the number of bytes below which a secret gets a warning.
	minSecret = 32
	// minPassword is the minimum number of bytes of an observer's password.
	minPassword = 16
)

// sites returns the configured sites. Without any heartbeatd serves a demo site, so
// an empty secret is an error.
func (c *serveCmd) sites(log *slog.Logger) ([]server.Site, error) {
	sites := slices.Clone([]server.Site(c.Sites))
	if c.SiteSecret != nil {
		site := server.Site{
			ID: c.SiteID, Origins: c.SiteOrigin, Secrets: []string{*c.SiteSecret}, Upstream: c.SiteUpstream,
			Network: c.SiteNetwork, Private: c.SitePrivate,
			SyncAnywhere: len(c.Sites) == 0 && c.SiteUpstream == "" && len(c.SiteOrigin) == 0,
		}
		if c.SiteOldSecret != "" {
			site.Secrets = append(site.Secrets, c.SiteOldSecret)
		}
		sites = append(sites, site)
	} else if c.SiteNetwork || c.SitePrivate {
		return nil, errors.New("--site-network and --site-private are about the site of --site-secret: for a site of --sites set \"network\": true or \"private\": true there")
	}
	if len(sites) == 1 { // no other site can have an ID of its network, or belongs to somebody else
		sites[0].Network = sites[0].Network || !c.sharesNATS()
		sites[0].Private = true
	}
	owners := make(map[string]string) // of secrets
	for _, site := range sites {
		for _, secret := range site.Secrets {
			if owner, known := owners[secret]; known && owner != site.ID {
				log.Warn("two sites have the same secret: each of them can sign for the other", "sites", owner+" "+site.ID)
			}
			owners[secret] = site.ID
			if secret == "" {
				return nil, fmt.Errorf("--site-secret is empty for site %s: set it to HEARTBEATD_SECRET of wp-config.php", site.ID)
			}
			if len(secret) < minSecret {
				log.Warn("the secret of a site is short: use 32 bytes or more", "site", site.ID, "bytes", len(secret))
			}
		}
	}
	return sites, nil
}

// sharesNATS reports whether other nodes may use the same NATS, with sites of their own.
func (c *serveCmd) sharesNATS() bool {
	return c.NatsURL != "" || c.NatsListen != "" && len(c.NatsObserver) == 0
}

// natsError names the flag that an error of the broker is about.
func (c *serveCmd) natsError(err error) error {
	switch {
	case strings.HasPrefix(err.Error(), "NATS listen address"):
		return fmt.Errorf("--nats-listen: %w", err)
	case strings.HasPrefix(err.Error(), "--state-dir"):
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
