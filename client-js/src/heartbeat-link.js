// The link alone, for pages without wp.heartbeat, as those of a site's front end. It keeps the
// page present and hears its rooms. It has no beats, so it posts nothing to WordPress.
//
// The page's script has the settings in heartbeatdLinkSettings, and gives heartbeatdLink a ticket.

import { createClient } from './client.js'
import { encode } from './form.js'
import { isUp } from './probe.js'

const win = window
const config = win.heartbeatdLinkSettings || {}

// The page may have no jQuery: the events are wp.hooks actions only.
function emit(name, args) {
	const hooks = win.wp && win.wp.hooks
	if (hooks) hooks.doAction('heartbeat.' + name, ...args)
}

const noBeat = () => {}
const client = createClient({ win, $: { param: encode }, emit, connectNow: noBeat, beatEarly: noBeat, config })

win.addEventListener('pagehide', () => client.suspended(true))
win.addEventListener('pageshow', (event) => event.persisted && client.suspended(false))
win.heartbeatdLink = Object.assign({ useTicket: client.useTicket, isUp: () => isUp(win, config.url) }, client.extras)
client.start()
