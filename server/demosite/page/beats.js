// The beats of this page: a plot of the last ones, and the requests to PHP that they have saved.

import { element } from './dom.js'

const { uPlot } = globalThis
const SHOWN = 20 // beats
const MAX_RECENT = 100 // beats in the medians
const HEIGHT = 230
const AXIS = 64 // the width of the axis of times
const BAR = 0.42 // the part of a beat's space that a bar takes

// What a beat takes with WordPress 7.1.4 and its own client: docs/speed-wordpress.md, "A beat in the browser".
const WORDPRESS_MS = 48.5

export const NAMES = { websocket: 'WebSocket', events: 'server-sent events', longpoll: 'long-poll', post: 'POST' }
const KINDS = Object.keys(NAMES)
const LABELS = [...Object.values(NAMES), 'WordPress 7.1.4, as measured']

const recent = [] // the last beats: {number, at, via, ms}
const count = { beats: 0, posted: 0 }
let plot = null
const byId = (id) => document.getElementById(id)
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
const format = (ms) => `${ms.toFixed(1)} ms`

function median(list) {
	return list.map(({ ms }) => ms).sort((a, b) => a - b)[Math.floor(list.length / 2)]
}

// series returns the data of the plot: the numbers of the beats, and the bars of each transport and of
// WordPress.
function series() {
	const shown = recent.slice(-SHOWN)
	return [
		shown.map(({ number }) => number),
		...KINDS.map((kind) => shown.map(({ via, ms }) => (via === kind ? ms : null))),
		shown.map(() => WORDPRESS_MS),
	]
}

function range() {
	const first = Math.max(0, count.beats - SHOWN)
	return [first - 0.6, first + SHOWN - 0.4]
}

const timeOf = (number) => recent.find((beat) => beat.number === number)?.at ?? ''

// draw makes the plot with the colors of the theme, in the width that there is.
function draw() {
	plot?.destroy()
	const into = byId('plot')
	const axis = { stroke: color('text'), grid: { stroke: color('grid'), width: 1 }, ticks: { stroke: color('grid') }, font: '12px system-ui, sans-serif', labelFont: '12px system-ui, sans-serif', labelSize: 18 }
	const bars = (name, align) => ({ fill: color(name), width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [BAR, BAR * (width() - AXIS) / SHOWN], align }) })
	plot = new uPlot({
		width: width(), height: HEIGHT, legend: { show: false }, cursor: { show: false },
		scales: { x: { time: false, range }, y: { range: (u, low, high) => [0, 1.1 * Math.max(high ?? 0, WORDPRESS_MS)] } },
		axes: [
			{ ...axis, label: 'time of the beat', grid: { show: false }, incrs: [1, 2, 5, 10], space: 64, size: 30, values: (u, numbers) => numbers.map(timeOf) },
			{ ...axis, label: 'ms from beat to tick', size: AXIS - axis.labelSize },
		],
		series: [{}, ...KINDS.map((kind) => bars(kind, -1)), bars('wordpress', 1)],
	}, series(), into)
}

const width = () => Math.max(200, byId('plot').clientWidth - 24)

function showLegend() {
	const medians = KINDS.map((kind) => recent.filter(({ via }) => via === kind)).map((list) => (list.length ? format(median(list)) : '–'))
	byId('legend').replaceChildren(...LABELS.map((label, i) => element('li', {},
		element('span', { class: `swatch ${KINDS[i] ?? 'wordpress'}` }), label, element('b', {}, medians[i] ?? format(WORDPRESS_MS)))))
	const used = KINDS.map((kind, i) => `${NAMES[kind]} ${medians[i]}`).filter((line) => !line.endsWith('–'))
	byId('plot').setAttribute('aria-label', `Time from beat to tick of the last beats. Medians: ${used.join(', ')}; WordPress ${format(WORDPRESS_MS)}`)
}

function showFigures() {
	const { beats, posted } = count
	for (const [id, value] of [['requests-wordpress', beats], ['requests', posted], ['saved', beats - posted]]) byId(id).textContent = value
	byId('latency-text').textContent = `last beat ${format(recent.at(-1).ms)}, median ${format(median(recent))}`
}

// addBeat adds a beat that was answered. One by POST counts as a request to PHP, which answers it on a
// real site.
export function addBeat(via, ms) {
	recent.push({ number: count.beats++, at: new Date().toTimeString().slice(0, 8), via, ms })
	if (recent.length > MAX_RECENT) recent.shift()
	if (via === 'post') count.posted++
	plot.setData(series())
	plot.redraw(true, true) // with the time of this beat
	showLegend()
	showFigures()
}

// showBeats shows the plot, which follows the theme and the width of the window.
export function showBeats() {
	draw()
	showLegend()
	matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw)
	new ResizeObserver(draw).observe(byId('plot'))
}
