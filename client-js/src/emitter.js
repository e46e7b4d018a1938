// Every event of Heartbeat goes out twice: as a jQuery event on the document
// and as a wp.hooks action, in that order and with the same arguments.

export function createEmitter($, win) {
	return function emit(name, args) {
		$(win.document).trigger('heartbeat-' + name, args)
		const hooks = win.wp && win.wp.hooks
		// Pages without wp-hooks exist (a script concatenated by an optimiser);
		// their beats must not stop for it.
		if (hooks) hooks.doAction('heartbeat.' + name, ...(args || []))
	}
}
