// Emits each event of Heartbeat twice: as a jQuery event on the document, then as a wp.hooks
// action with the same arguments.

export function createEmitter($, win) {
	return function emit(name, args) {
		$(win.document).trigger('heartbeat-' + name, args)
		const hooks = win.wp && win.wp.hooks
		// Some pages have no wp.hooks, for example if an optimizer has concatenated scripts.
		if (hooks) hooks.doAction('heartbeat.' + name, ...(args || []))
	}
}
