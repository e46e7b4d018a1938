package main

import (
	"bytes"
	"encoding/json"
	"fmt"

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
