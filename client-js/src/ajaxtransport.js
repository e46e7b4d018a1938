// jQuery's own seam: a transport that carries Heartbeat's beats over the link
// and posts the same bytes itself when the link does not answer. jQuery makes
// the jqXHR, the timeout, the error mapping and the global events, as always.

import { countdown } from './countdown.js'
import { createTicketRequests } from './ticketrequests.js'
import { reportErrors } from './reporterrors.js'

const PATIENCE = 2500
const CONNECTION = 'Heartbeat-Connection'
const NO_TICKET = 'Heartbeat-No-Ticket'
const FORM = /^application\/x-www-form-urlencoded\b/
const TICK_HEADERS = 'Content-Type: application/json; charset=UTF-8\r\n'

/**
 * @param {Function} $ jQuery
 * @param {object} client see client.js
 * @param {Function} isOwn (options as passed to $.ajax) → whether this is a beat of the page's Heartbeat
 */
export function registerAjaxTransport($, win, client, isOwn) {
	const tickets = createTicketRequests(win)
	$.ajaxTransport('+json', (options, original, jqXHR) => {
		if (!isOwn(original)) return undefined
		const beat = { $, win, client, tickets, options, fields: original.data, url: original.url, byPost: false, asks: true }
		jqXHR.always(() => {
			if (beat.byPost) tickets.answered(beat.asks, jqXHR.status)
		})
		jqXHR.done((response) => client.ticked(beat.fields, response, jqXHR, beat.byPost))
		jqXHR.fail((same, status) => {
			if (beat.byPost && status !== 'abort') client.failed()
		})
		const plan = isUntouched(beat) && client.plan(beat.fields, options.data)
		if (plan) return carry(beat, plan)
		const headers = handOver(beat)
		Object.keys(headers).forEach((name) => jqXHR.setRequestHeader(name, headers[name]))
		return undefined
	})
}

// The beat is PHP's. Returns the request headers to add: none for another host,
// which would have to allow them.
function handOver(beat) {
	beat.byPost = true
	const conn = beat.client.posted(beat.fields)
	const headers = {}
	if (beat.options.crossDomain) return headers
	if (conn) headers[CONNECTION] = conn
	beat.asks = beat.tickets.may()
	if (!beat.asks) headers[NO_TICKET] = '1'
	return headers
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
	const { win } = beat
	let stop = () => {}
	let xhr = null
	let over = false

	function post(headers, complete) {
		over = true
		stop()
		xhr = send(beat.options, Object.assign(headers, handOver(beat)), complete)
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
				reportErrors(win, () => complete(200, 'OK', { text }, TICK_HEADERS))
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
