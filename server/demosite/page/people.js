// Who is online, and who edits which post.

import { element, text } from './dom.js'

const IDLE_SECONDS = 30
const EVERY = 5000 // ms; users without a link become idle without a message

const posts = JSON.parse(document.getElementById('posts-known').textContent)
const online = wp.heartbeat.room('admin/online')
const edited = posts.map((post) => ({ post, room: wp.heartbeat.room(`postType/${post.Type}:${post.ID}`) }))
let polled = null // who is online by the last tick, while there is no link

// openPost is the post that this page edits, if any.
export const openPost = posts.find(({ ID }) => String(ID) === new URLSearchParams(location.search).get('post'))

// setPolled says who is online by a tick, or null if a link does.
export function setPolled(list) {
	polled = list && list.map(entryOf)
	drawOnline()
}

const entryOf = (person) => ({ user_id: person.user_id, display_name: text(person.display_name), avatar_url: text(person.avatar_url), date_gmt: text(person.date_gmt), idle: person.idle, data: person })

const byName = (a, b) => a.display_name.localeCompare(b.display_name)

// isIdle uses what the user's page reports, otherwise the date.
function isIdle({ idle, date_gmt: date }) {
	if (typeof idle === 'boolean') return idle
	return Date.now() - Date.parse(`${date.replace(' ', 'T')}Z`) > IDLE_SECONDS * 1000
}

const avatar = ({ avatar_url: src }) => element('img', { src, alt: '', width: 28, height: 28 })

function personOf(entry) {
	const state = isIdle(entry) ? 'idle' : 'active'
	return element('li', { 'data-user-id': entry.user_id },
		avatar(entry),
		element('span', { class: 'who' }, element('b', {}, entry.display_name), element('small', {}, text(entry.data.screen_label) || text(entry.data.screen))),
		element('span', { class: `state ${state}` }, state))
}

const postOf = ({ post, room }) => element('li', { 'data-post-id': post.ID }, element('b', {}, post.Title),
	...room.entries.sort(byName).map((entry) => element('span', { class: 'editor' }, avatar(entry), entry.display_name)))

// show replaces the lines of a list if they have changed: screen readers read them.
function show(id, lines, none) {
	const list = document.getElementById(id)
	if (!list) return // of a user who may not see presence
	const next = element('ul', {}, ...(lines.length ? lines : [element('li', {}, none)]))
	if (next.innerHTML !== list.innerHTML) list.replaceChildren(...next.children)
}

const drawOnline = () => show('online', (polled || online.entries).sort(byName).map(personOf), 'Nobody yet.')
const drawPosts = () => show('posts', edited.filter(({ room }) => room.entries.length).map(postOf), 'Nobody edits a post.')

// showPeople shows everybody from now on.
export function showPeople() {
	online.onChange(drawOnline)
	edited.forEach(({ room }) => room.onChange(drawPosts))
	setInterval(drawOnline, EVERY)
	drawOnline()
	drawPosts()
}
