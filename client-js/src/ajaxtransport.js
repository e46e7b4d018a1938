// A jQuery transport ($.ajaxTransport) that sends Heartbeat's beats over the link, and posts the
// same bytes if the link does not answer. jQuery makes the jqXHR, the timeout, the error mapping
// and the global events.

import { countdown } from './countdown.js'
import { createTicketRequests } from './ticketrequests.js'
import { reportErrors } from './reporterrors.js'

// A beat without a tick over the link is posted after this time.
const LINK_TIMEOUT = 2500
const NO_TICKET_HEADER = 'Heartbeat-No-Ticket'
const FORM = /^application\/x-www-form-urlencoded\b/
const TICK_HEADERS = 'Content-Type: application/json; charset=UTF-8\r\n'

/**
 * @param {Function} $ jQuery
 * @param {object} client see client.js
 * @param {Function} isOwn (the options of $.ajax) → whether this is a beat of the page's Heartbeat
 */
export function registerAjaxTransport($, win, client, isOwn) {
	const tickets = createTicketRequests(win)
	$.ajaxTransport('+json', (options, original, jqXHR) => {
		if (!isOwn(original)) return undefined
		client.began(original.data)
		const beat = { $, win, client, tickets, options, fields: original.data, url: original.url, byPost: false, asks: true }
		jqXHR.always(() => {
			if (beat.byPost) tickets.answered(beat.asks, jqXHR.status)
		})
		// An exception here would keep jQuery from calling the handlers of core.
		jqXHR.done((response) => reportErrors(win, () => client.ticked(beat.fields, response, jqXHR, beat.byPost)))
		jqXHR.fail((same, status) => {
			if (beat.byPost && status !== 'abort') client.failed()
		})
		const plan = isUntouched(beat) && client.plan(beat.fields, options.data)
		if (plan) return createTransport(beat, plan)
		const headers = preparePost(beat)
		Object.keys(headers).forEach((name) => jqXHR.setRequestHeader(name, headers[name]))
		return undefined
	})
}

// The beat is posted to PHP. Returns the request headers to add: none for another host, which
// would have to allow them.
function preparePost(beat) {
	beat.byPost = true
	const headers = beat.client.posted(beat.fields)
	if (beat.options.crossDomain) return {}
	beat.asks = beat.tickets.may()
	if (!beat.asks) headers[NO_TICKET_HEADER] = '1'
	return headers
}

// A request that a prefilter or ajaxSetup has changed is posted as changed.
function isUntouched({ $, options, fields, url }) {
	return (
		options.async &&
		options.type === 'POST' &&
		options.url === url &&
		options.data === serialize($, fields) &&
		!options.xhrFields &&
		!options.username &&
		!options.mimeType
	)
}

// As jQuery does: from a copy, which leaves out what is undefined, and with a plus for a space.
const serialize = ($, fields) => $.param($.extend(true, {}, fields)).replace(/%20/g, '+')

const hasOnlyUsualHeaders = (headers) =>
	Object.keys(headers).every((name) => name === 'Accept' || (name === 'Content-Type' && FORM.test(headers[name])))

// Returns the jQuery transport of one request: over the link if it answers in time, else by POST.
// Only one of the two calls `complete`, and neither does after abort().
function createTransport(beat, plan) {
	const { win } = beat
	let stop = () => {}
	let xhr = null
	let done = false

	function post(headers, complete) {
		done = true
		stop()
		xhr = send(beat.options, Object.assign(headers, preparePost(beat)), complete)
	}

	return {
		send(headers, complete) {
			// beforeSend and ajaxSend handlers may have changed the request.
			if (!isUntouched(beat) || !hasOnlyUsualHeaders(headers)) {
				post(headers, complete)
				return
			}
			stop = countdown(win, LINK_TIMEOUT, () => {
				plan.giveUp()
				post(headers, complete)
			})
			plan.send().then((text) => {
				if (done) return
				if (text === null) {
					post(headers, complete)
					return
				}
				done = true
				stop()
				// An exception of a handler is reported as an uncaught error, as in the onload of
				// an XMLHttpRequest, and does not reject the promise.
				reportErrors(win, () => complete(200, 'OK', { text }, TICK_HEADERS))
			})
		},
		abort() {
			done = true
			stop()
			if (xhr) xhr.abort()
		},
	}
}

// Sends the request as jQuery would.
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
