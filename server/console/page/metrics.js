// Reads /metrics, and computes with two readings of it.

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g
const unescaped = { n: '\n', '"': '"', '\\': '\\' }

// parse returns the samples of a text by the name of their metric: {labels, value}.
export function parse(text) {
	const metrics = new Map()
	for (const line of text.split('\n')) {
		const found = LINE.exec(line)
		if (!found) continue
		const labels = new Map()
		for (const [, name, value] of (found[2] ?? '').matchAll(LABEL)) {
			labels.set(name, value.replace(/\\(.)/g, (_, c) => unescaped[c] ?? c))
		}
		if (!metrics.has(found[1])) metrics.set(found[1], [])
		metrics.get(found[1]).push({ labels, value: Number(found[3]) })
	}
	return metrics
}

const matches = (sample, labels) => Object.entries(labels).every(([name, value]) => sample.labels.get(name) === value)

// sum adds the samples of a metric that have these labels.
export function sum(metrics, name, labels = {}) {
	let total = 0
	for (const sample of metrics.get(name) ?? []) if (matches(sample, labels)) total += sample.value
	return total
}

// byLabel returns the values of a metric by the value of a label, the largest first.
export function byLabel(metrics, name, label) {
	const list = (metrics.get(name) ?? []).map((sample) => [sample.labels.get(label) ?? '', sample.value])
	return list.sort((a, b) => b[1] - a[1])
}

// A counter that is smaller than before has begun again: the node was restarted.
const increase = (before, now) => (now < before ? now : now - before)

// rate returns by how much a counter grows in a second, between two readings {at, metrics}.
export function rate(before, now, name, labels) {
	const seconds = (now.at - before.at) / 1000
	return increase(sum(before.metrics, name, labels), sum(now.metrics, name, labels)) / seconds
}

// quantile returns the value below which a part of the observations between two readings are, or null
// if there were none. Within a bucket they count as evenly spread.
export function quantile(before, now, name, labels, part) {
	const counts = buckets(before, now, name, labels)
	const total = counts.at(-1)?.count ?? 0
	if (total === 0) return null
	let low = 0
	let below = 0
	for (const { upper, count } of counts) {
		if (count >= part * total) {
			return Number.isFinite(upper) ? low + (upper - low) * ((part * total - below) / (count - below)) : low
		}
		low = upper
		below = count
	}
	return low
}

function buckets(before, now, name, labels) {
	const bounds = new Set((now.metrics.get(`${name}_bucket`) ?? []).map((sample) => sample.labels.get('le')))
	return [...bounds]
		.map((le) => ({
			upper: le === '+Inf' ? Infinity : Number(le),
			count: increase(sum(before.metrics, `${name}_bucket`, { ...labels, le }), sum(now.metrics, `${name}_bucket`, { ...labels, le })),
		}))
		.sort((a, b) => a.upper - b.upper)
}
