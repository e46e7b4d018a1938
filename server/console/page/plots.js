// Plots with axes, units and legends that move with time.

import { format, PLOTS } from './series.js'

const { uPlot } = globalThis
const SPAN = 300 // s; a console that was just opened shows LEAST
const LEAST = 60
const HEIGHT = 190

// Lines differ by more than their colors, as in console.css.
const DASHES = [[], [6, 3], [2, 3], []]
const WIDTHS = [2, 2, 2, 3]

const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim()

// clock returns the times of an axis, with seconds if it has some within a minute.
const clock = (u, times, axis, space, step) => times.map((t) => new Date(t * 1000).toLocaleTimeString('en-GB').slice(0, step < 60 ? 8 : 5))

class Plot {
	constructor(spec, into) {
		this.spec = spec
		this.data = [[], ...spec.lines.map(() => [])]
		this.figure = document.createElement('figure')
		this.figure.id = `plot-${spec.id}`
		const caption = document.createElement('figcaption')
		caption.textContent = `${spec.title} (${spec.unit})`
		this.canvas = document.createElement('div')
		this.canvas.tabIndex = 0
		this.canvas.setAttribute('role', 'img')
		this.canvas.addEventListener('keydown', (event) => this.#key(event))
		this.canvas.addEventListener('blur', () => this.#point(-1))
		this.legend = document.createElement('ul')
		this.figure.append(caption, this.canvas, this.legend)
		into.append(this.figure)
		this.values = spec.lines.map(([name], i) => this.#legendLine(name, i))
	}

	#legendLine(name, i) {
		const [line, swatch, label, value] = ['li', 'span', 'span', 'b'].map((tag) => document.createElement(tag))
		swatch.className = `swatch line-${i}`
		label.textContent = name
		line.append(swatch, label, value)
		this.legend.append(line)
		return value
	}

	// draw makes the plot with the colors of the theme, in the width that there is.
	draw() {
		this.plot?.destroy()
		const axis = { stroke: color('--text'), grid: { stroke: color('--grid'), width: 1 }, ticks: { stroke: color('--grid') }, font: '12px system-ui, sans-serif', labelFont: '12px system-ui, sans-serif', labelSize: 18 }
		this.plot = new uPlot({
			width: this.#width(), height: HEIGHT, legend: { show: false }, cursor: { y: false, drag: { x: false, y: false } },
			scales: { x: { time: true }, y: { range: (u, low, high) => [0, high > 0 ? high * 1.1 : 1] } },
			axes: [
				{ ...axis, label: 'time', space: (u, axis, from, to) => (to - from < 200 ? 68 : 46), size: 30, values: clock },
				{ ...axis, label: this.spec.unit, size: 56, values: (u, values) => values.map(format) },
			],
			series: [{}, ...this.spec.lines.map(([label], i) => ({
				label, stroke: color(`--line-${i}`), width: WIDTHS[i], dash: DASHES[i], spanGaps: false, points: { show: Boolean(this.spec.sparse), size: 5 },
			}))],
			hooks: { setCursor: [() => this.#describe()] },
		}, this.data, this.canvas)
		this.#move()
	}

	#width() { return Math.max(200, this.canvas.clientWidth) }

	resize() {
		if (this.plot && this.plot.width !== this.#width()) this.plot.setSize({ width: this.#width(), height: HEIGHT })
	}

	// add adds the values of a moment.
	add(before, now) {
		const [times, ...lines] = this.data
		times.push(now.at / 1000)
		lines.forEach((line, i) => line.push(before ? this.spec.lines[i][1](before, now) : null))
		while (times[0] < now.at / 1000 - SPAN) for (const list of this.data) list.shift()
		this.#move()
	}

	#move() {
		const end = this.data[0].at(-1) ?? Date.now() / 1000
		const span = Math.min(SPAN, Math.max(LEAST, end - (this.data[0][0] ?? end)))
		this.plot?.setData(this.data, false)
		this.plot?.setScale('x', { min: end - span, max: end })
		this.#describe()
	}

	// describe shows the values under the cursor, or the last ones.
	#describe() {
		const at = this.plot?.cursor.idx
		const texts = this.values.map((value, i) => {
			const line = this.data[i + 1]
			value.textContent = format(at == null ? line.findLast((known) => known !== null) : line[at])
			return `${this.spec.lines[i][0]} ${value.textContent}`
		})
		this.canvas.setAttribute('aria-label', `${this.spec.title}, in ${this.spec.unit}: ${texts.join(', ')}`)
	}

	#key(event) {
		const last = this.data[0].length - 1
		const at = this.plot.cursor.idx ?? last
		const to = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: last, Escape: -1 }[event.key]
		if (to === undefined) return
		event.preventDefault()
		this.#point(Math.min(to, last))
	}

	#point(index) {
		const time = this.data[0][index]
		this.plot?.setCursor({ left: time === undefined ? -10 : this.plot.valToPos(time, 'x'), top: time === undefined ? -10 : 0 })
	}
}

// makePlots makes all plots. They follow the theme and the width of the window.
export function makePlots(into) {
	const plots = PLOTS.map((spec) => new Plot(spec, into))
	const draw = () => plots.forEach((plot) => plot.draw())
	draw()
	matchMedia('(prefers-color-scheme: dark)').addEventListener('change', draw)
	new ResizeObserver(() => plots.forEach((plot) => plot.resize())).observe(into)
	return (before, now) => plots.forEach((plot) => plot.add(before, now))
}
