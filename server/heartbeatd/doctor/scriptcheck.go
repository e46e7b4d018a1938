package doctor

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"io/fs"
	"net/http"
	"strings"

	clientjs "github.com/heartbeatd/heartbeatd/client-js"
)

// pluginScript is the usual path of the plugin's drop-in, below the site's URL.
const pluginScript = "/wp-content/plugins/heartbeatd/assets/heartbeat.js"

// checkScript fetches the plugin's drop-in, as pages do. If nothing is wrong with it, checkScript fetches
// the copy of heartbeatd, which shows whether a rule for static files has precedence.
func (d *checkup) checkScript(ctx context.Context) Finding {
	own, err := fs.ReadFile(clientjs.Dist, "heartbeat.js")
	if err != nil {
		return invalidFlag(err) // it is embedded
	}
	found := d.checkPluginScript(ctx, own)
	if found.Result == OK || found.Result == Skipped {
		if wrong := d.checkStaticRule(ctx, string(own)); wrong != nil {
			return *wrong
		}
	}
	return found
}

// checkPluginScript fetches the plugin's drop-in. It must be the one of this version.
func (d *checkup) checkPluginScript(ctx context.Context, own []byte) Finding {
	hash := md5.Sum(own)
	url := d.site.String() + pluginScript + "?ver=" + hex.EncodeToString(hash[:])[:12]
	a, err := d.sendTimed(ctx, http.MethodGet, url, "", map[string]string{"Sec-Fetch-Dest": "script", "Sec-Fetch-Mode": "no-cors"})
	switch {
	case err != nil:
		return d.diagnoseError(url, err)
	case isChallenge(a), a.status == http.StatusForbidden:
		return d.diagnose(a)
	case a.status != http.StatusOK:
		return skipped("the plugin's script is not at %s (%d): activate the plugin Heartbeatd, or it is in another folder", url, a.status)
	case !strings.Contains(a.header.Get("Content-Type"), "javascript") || strings.HasPrefix(strings.TrimSpace(a.body), "<"):
		return d.named("old-drop-in", "They get no script from %s, but %s: %s", url, a.header.Get("Content-Type"), excerpt(a.body))
	case a.body != string(own):
		return d.named("old-drop-in", "The one at %s is not that of this version of heartbeatd. If the plugin has another version, update both.", url)
	}
	return ok("the plugin's script is that of this version of heartbeatd")
}

// checkStaticRule fetches heartbeatd's own copy of the drop-in, which other clients load. It returns nil
// if nothing is wrong.
func (d *checkup) checkStaticRule(ctx context.Context, own string) *Finding {
	url := d.url("/heartbeat.js")
	a, err := d.sendTimed(ctx, http.MethodGet, url, "", nil)
	switch {
	case err != nil:
		return new(d.diagnoseError(url, err))
	case d.socketOpens && (a.status != http.StatusOK || a.body != own):
		return new(d.named("static-rule", "A WebSocket reaches heartbeatd, but a request for %s does not (%d).", url, a.status))
	case d.socketOpens && !strings.Contains(a.header.Get("Cache-Control"), "no-cache"):
		return new(d.named("script-cached", "%s has Cache-Control %q.", url, a.header.Get("Cache-Control")))
	}
	return nil
}
