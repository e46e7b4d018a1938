// jQuery's own seam: a transport that carries Heartbeat's beats over the link
// and posts the same bytes itself when the link does not answer. jQuery makes
// the jqXHR, the timeout, the error mapping and the global events, as always.

import { countdown } from './countdown.js'
import { guard } from './guard.js'

const PATIENCE = 2500
const CONNECTION = 'Heartbeat-Connection'
const FORM = /^application\/x-www-form-urlencoded\b/
const TICK_HEADERS = 'Content-Type: application/json; charset=UTF-8\r\n'

/**
 * @param {Function} $ jQuery
 * @param {object} live see live.js
 * @param {Function} isOwn (options as passed to $.ajax) → whether this is a beat of the page's Heartbeat
 */
export function registerTransport($, win, live, isOwn) {
	$.ajaxTransport('+json', (options, original, jqXHR) => {
		if (!isOwn(original)) return undefined
		const beat = { $, win, live, options, fields: original.data, url: original.url, byPost: false }
		jqXHR.done((response) => live.ticked(beat.fields, response, jqXHR, beat.byPost))
		jqXHR.fail((same, status) => {
			if (beat.byPost && status !== 'abort') live.failed()
		})
		const plan = isUntouched(beat) && live.plan(beat.fields, options.data)
		if (plan) return carry(beat, plan)
		const conn = handOver(beat)
		if (conn) jqXHR.setRequestHeader(CONNECTION, conn)
		return undefined
	})
}

// The beat is PHP's. Another host need not know the connection id, and would
// have to allow the header.
function handOver(beat) {
	beat.byPost = true
	const conn = beat.live.posted(beat.fields)
	return beat.options.crossDomain ? '' : conn
}

// Whoever changed the request, by a prefilter or by ajaxSetup, wants it to
// reach the address as changed.
function isUntouched({ $, options, fields, url }) {
	return (
		options.async &&
		options.type === 'POST' &&
		options.url === url &&
		options.data === written($, fields) &&
		!options.xhrFields &&
		!options.username &&
		!options.mimeType
	)
}

// As jQuery writes it: from a copy, which drops what is undefined, and with a
// plus for a space.
const written = ($, fields) => $.param($.extend(true, {}, fields)).replace(/%20/g, '+')

const isPlain = (headers) =>
	Object.keys(headers).every((name) => name === 'Accept' || (name === 'Content-Type' && FORM.test(headers[name])))

// One request: over the link if it answers in time, else by POST. Exactly one of
// the two calls `complete`, and none after abort().
function carry(beat, plan) {
	const { win, live } = beat
	let stop = () => {}
	let xhr = null
	let over = false

	function post(headers, complete) {
		over = true
		stop()
		const conn = handOver(beat)
		if (conn) headers[CONNECTION] = conn
		xhr = send(beat.options, headers, complete)
	}

	return {
		send(headers, complete) {
			// The last handlers (beforeSend, ajaxSend) have had their say by now.
			if (!isUntouched(beat) || !isPlain(headers)) {
				post(headers, complete)
				return
			}
			stop = countdown(win, PATIENCE, () => {
				post(headers, complete)
				plan.giveUp()
			})
			plan.send().then((text) => {
				if (over) return
				if (text === null) {
					post(headers, complete)
					return
				}
				over = true
				stop()
				// What a handler throws is an uncaught error, as it is in an XHR's
				// onload, and not a rejected promise.
				guard(win, () => complete(200, 'OK', { text }, TICK_HEADERS))
			})
		},
		abort() {
			over = true
			stop()
			if (xhr) xhr.abort()
		},
	}
}

// The request as jQuery would have sent it.
function send(options, headers, complete) {
	const xhr = options.xhr()
	xhr.open(options.type, options.url, true)
	if (!options.crossDomain && !headers['X-Requested-With']) headers['X-Requested-With'] = 'XMLHttpRequest'
	Object.keys(headers).forEach((name) => xhr.setRequestHeader(name, headers[name]))
	xhr.onload = () => complete(xhr.status, xhr.statusText, { text: xhr.responseText }, xhr.getAllResponseHeaders())
	xhr.onerror = xhr.ontimeout = () => complete(xhr.status, xhr.statusText)
	xhr.send(options.data || null)
	return xhr
}
