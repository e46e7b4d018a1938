package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/alecthomas/kong"

	"github.com/heartbeatd/heartbeatd/server"
)

// siteList is the flag --sites.
type siteList []server.Site

// Decode reads the decoded value of the configuration file, or the JSON text of the flag.
func (l *siteList) Decode(ctx *kong.DecodeContext) error {
	value := ctx.Scan.Pop().Value
	text, isText := value.(string)
	raw := []byte(text)
	if !isText {
		var err error
		if raw, err = json.Marshal(value); err != nil {
			return err
		}
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode((*[]server.Site)(l)); err != nil {
		return fmt.Errorf("sites must be a list of {id, origins, upstream, secrets, network, private}: %w", err)
	}
	return nil
}

// sites returns the configured sites. Without any heartbeatd serves a demo site, so
// an empty secret is an error, as the systemd unit sets it. Beside --sites it is none.
func (c *serveCmd) sites(log *slog.Logger) ([]server.Site, error) {
	sites := slices.Clone([]server.Site(c.Sites))
	if c.SiteSecret != nil && (*c.SiteSecret != "" || len(c.Sites) == 0) {
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
				return nil, fmt.Errorf("--site-secret is empty for site %s: set it, or HEARTBEATD_SITE_SECRET, to HEARTBEATD_SECRET of wp-config.php", site.ID)
			}
			if len(secret) < minSecret {
				log.Warn("the secret of a site is short: use 32 bytes or more", "site", site.ID, "bytes", len(secret))
			}
		}
	}
	return sites, nil
}
