package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/heartbeatd/heartbeatd/server/heartbeatd/apiclient"
	"github.com/heartbeatd/heartbeatd/server/heartbeatd/doctor"
)

type doctorCmd struct {
	Site string `arg:"" name:"site-url" help:"URL of the site, with the directory that WordPress is in: the one that contains wp-admin."`
	URL  string `default:"/heartbeat" help:"URL of heartbeatd for browsers: HEARTBEATD_URL of wp-config.php." placeholder:"URL"`

	apiclient.Client `embed:""`

	Idle time.Duration `default:"26s" help:"How long a silent WebSocket and a silent poll must last. 0s skips this check."`
	JSON bool          `help:"Print one JSON object."`
}

// Run prints the finding of each check, with its meaning and fix where it appears first. It fails if one of the checks does.
func (c *doctorCmd) Run(ctx context.Context) error { return c.examine(ctx, os.Stdout) }

func (c *doctorCmd) examine(ctx context.Context, w io.Writer) error {
	explained := make(map[string]bool) // findings, by name
	report, err := doctor.Examine(ctx, doctor.Config{Site: c.Site, URL: c.URL, API: c.Client, Idle: c.Idle}, func(f doctor.Finding) {
		if explained[f.Name] {
			f.Meaning, f.Remedy = "", ""
		}
		explained[f.Name] = f.Name != ""
		if !c.JSON {
			_, _ = fmt.Fprintln(w, f)
		}
	})
	if err != nil {
		return err
	}
	if c.JSON {
		e := json.NewEncoder(w)
		e.SetIndent("", "  ")
		e.SetEscapeHTML(false)
		if err := e.Encode(report); err != nil {
			return err
		}
	}
	if report.Failed > 0 {
		return fmt.Errorf("%d of %d checks failed", report.Failed, len(report.Checks))
	}
	return nil
}
