package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/heartbeatd/heartbeatd/broker"
	clientjs "github.com/heartbeatd/heartbeatd/client-js"
	"github.com/heartbeatd/heartbeatd/server"
)

type serveCmd struct {
	Listen      string `default:"127.0.0.1:8080" help:"Address of the public listener."`
	BasePath    string `default:"/heartbeat" help:"Where the transports are."`
	AdminListen string `default:"127.0.0.1:8081" help:"Address of the admin listener."`
	NatsURL     string `help:"An external NATS server or cluster. Without it NATS runs inside." placeholder:"URL"`
	NatsListen  string `help:"Open the NATS inside to others, on a loopback address; with --nats-observer on any." placeholder:"ADDR"`

	NatsObserver map[string]string `help:"Who alone may read presence from the NATS inside: a site's id and a password for the presence of that site, or observer and a password for that of all." placeholder:"NAME=PASSWORD"`

	PresenceTTL time.Duration `default:"60s" help:"How long an entry lives that nobody renews."`
	DrainTime   time.Duration `default:"5s" help:"Over how long pages are sent away when heartbeatd stops."`

	APIKey string `help:"The operator's key for the API of every site." placeholder:"KEY"`

	Sites siteList `help:"Several sites, as a JSON list of {id, origins, upstream, secrets}: for the config file." placeholder:"JSON"`

	SiteID        string         `default:"default" help:"The site's id."`
	SiteSecret    *string        `help:"The secret that signs the site's tickets." placeholder:"SECRET"`
	SiteOldSecret string         `help:"The secret before it, while one replaces the other." placeholder:"SECRET"`
	SiteUpstream  string         `help:"The site's WordPress, to stand in front of its admin-ajax.php." placeholder:"URL"`
	TrustedProxy  []netip.Prefix `help:"Web servers whose X-Forwarded headers are believed." placeholder:"CIDR"`
	SiteOrigin    []string       `help:"An origin of the site's pages, as https://example.org, where it is not the host itself. A path after it is ignored." placeholder:"URL"`
}

// Run serves until ctx ends, then drains.
func (c *serveCmd) Run(ctx context.Context, log *slog.Logger) error {
	sites, err := c.sites(log)
	if err != nil {
		return err
	}
	var demo *server.Demo
	if len(sites) == 0 {
		demo = server.NewDemo(server.DemoKey(log))
	}
	natsListen, err := c.natsListen(demo != nil)
	if err != nil {
		return err
	}
	observers, err := c.observers()
	if err != nil {
		return err
	}
	b, err := broker.Open(ctx, broker.Config{URL: c.NatsURL, Listen: natsListen, Observers: observers, TTL: c.PresenceTTL, Logger: log})
	if err != nil {
		return err
	}
	defer func() { _ = b.Close() }()

	s, err := server.New(server.Config{
		Broker: b, Sites: sites, Demo: demo, BasePath: c.BasePath, Scripts: clientjs.Dist, Logger: log,
		TrustedProxies: c.TrustedProxy, APIKey: c.APIKey,
	})
	if err != nil {
		return err
	}
	return c.listen(ctx, log, s, b, demo != nil)
}

// shortSecret is what a secret should not be shorter than, in bytes.
const shortSecret = 32

// shortPassword is what an observer's password must not be shorter than.
const shortPassword = 16

// sites are the configured ones. With none there is a demo site, so a secret
// that was meant to be there must not be overlooked.
func (c *serveCmd) sites(log *slog.Logger) ([]server.Site, error) {
	sites := []server.Site(c.Sites)
	if c.SiteSecret != nil {
		site := server.Site{ID: c.SiteID, Origins: c.SiteOrigin, Secrets: []string{*c.SiteSecret}, Upstream: c.SiteUpstream, SyncAnywhere: c.SiteUpstream == "" && len(c.SiteOrigin) == 0}
		if c.SiteOldSecret != "" {
			site.Secrets = append(site.Secrets, c.SiteOldSecret)
		}
		sites = append(sites, site)
	}
	for _, site := range sites {
		for _, secret := range site.Secrets {
			if secret == "" {
				return nil, fmt.Errorf("--site-secret is empty, for site %s: it must be that of HEARTBEATD_SECRET in wp-config.php", site.ID)
			}
			if len(secret) < shortSecret {
				log.Warn("a site's secret is short: make it 32 bytes or more", "site", site.ID, "bytes", len(secret))
			}
		}
	}
	return sites, nil
}

// natsListen is the address to open the NATS inside on, if any. The demo site
// has one, so that it can be watched: the usual one, or else a free one.
func (c *serveCmd) natsListen(demo bool) (string, error) {
	addr := c.NatsListen
	if addr == "" {
		if !demo || c.NatsURL != "" {
			return "", nil
		}
		addr = "127.0.0.1:4222"
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return "127.0.0.1:0", nil
		}
		_ = l.Close()
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return "", fmt.Errorf("--nats-listen %s: %w", addr, err)
	}
	if ip := net.ParseIP(host); len(c.NatsObserver) == 0 && host != "localhost" && (ip == nil || !ip.IsLoopback()) {
		return "", fmt.Errorf("--nats-listen %s: without --nats-observer NATS is opened on a loopback address only", addr)
	}
	return addr, nil
}

// allSites is the observer who hears of them all.
const allSites = "observer"

// observers are the NATS users of --nats-observer.
func (c *serveCmd) observers() (list []broker.Login, err error) {
	if len(c.NatsObserver) > 0 && (c.NatsURL != "" || c.NatsListen == "") {
		return nil, errors.New("--nats-observer is for the NATS inside, opened with --nats-listen")
	}
	for name, password := range c.NatsObserver {
		if len(password) < shortPassword {
			return nil, fmt.Errorf("--nats-observer %s: a password has %d characters or more", name, shortPassword)
		}
		login := broker.Login{User: name, Password: password, Site: name}
		if name == allSites {
			login.Site = ""
		}
		list = append(list, login)
	}
	return list, nil
}

// listen runs the two listeners until ctx ends.
func (c *serveCmd) listen(ctx context.Context, log *slog.Logger, s *server.Server, b *broker.Broker, demo bool) error {
	defer s.Close()
	public, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return fmt.Errorf("--listen: %w", err)
	}
	admin, err := net.Listen("tcp", c.AdminListen)
	if err != nil {
		_ = public.Close()
		return fmt.Errorf("--admin-listen: %w", err)
	}
	log.Info("ready", "listen", public.Addr(), "admin", admin.Addr(), "nats", b.ListenAddr())
	if demo {
		log.Info(fmt.Sprintf("no site is configured: open http://%s/ in two windows", public.Addr()))
	}
	front, back := newServer(s.Public(), log), newServer(s.Admin(), log)
	group, ctx := errgroup.WithContext(ctx) // one listener's failure ends both
	group.Go(func() error { return serveOn(front, public) })
	group.Go(func() error { return serveOn(back, admin) })
	group.Go(func() error {
		<-ctx.Done()
		stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), c.DrainTime+5*time.Second)
		defer cancel()
		s.Drain(stopping, c.DrainTime)
		return errors.Join(front.Shutdown(stopping), back.Shutdown(stopping))
	})
	return group.Wait()
}

func newServer(h http.Handler, log *slog.Logger) *http.Server {
	return &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute, // of a body; a socket is taken over and has its own
		IdleTimeout:       2 * time.Minute,
		MaxHeaderBytes:    64 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

func serveOn(s *http.Server, l net.Listener) error {
	if err := s.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}
