// Measures what the drop-in costs a page, beside the file of WordPress that it replaces: its size over
// the wire, the time to compile and run it in Chromium, and whether a page is ready later because of it,
// also with a heartbeatd that takes connections and never answers.
//
//	node integration/load/footprint.mjs [LOADS]

import { brotliCompressSync, constants, gzipSync } from 'node:zlib'
import { createServer } from 'node:net'
import { readFileSync } from 'node:fs'
import { root, startChromium, startHeartbeatd } from '../browser/harness.mjs'
import { wordpressFiles } from '../setup/wordpress.mjs'

const LOADS = Number(process.argv[2] || 15)
const includes = `${wordpressFiles}/wp-includes/js/`
const read = (path) => readFileSync(path, 'utf8')
const files = { 'core’s heartbeat.min.js': read(`${includes}heartbeat.min.js`), 'the drop-in': read(`${root}client-js/dist/heartbeat.js`) }
const libraries = ['jquery/jquery.min.js', 'dist/hooks.min.js'].map((name) => read(`${includes}${name}`))

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]
const ends = []
const t = { after: (end) => ends.push(end) }

function printSizes() {
	console.log('| | bytes | gzip -6 | brotli -6 |\n|---|--:|--:|--:|')
	for (const [name, text] of Object.entries(files)) {
		const brotli = brotliCompressSync(text, { params: { [constants.BROTLI_PARAM_QUALITY]: 6 } })
		console.log(`| ${name} | ${Buffer.byteLength(text)} | ${gzipSync(text, { level: 6 }).length} | ${brotli.length} |`)
	}
}

// load opens a page like one of the admin, with the scripts at its end, and returns its times in ms.
// Each page has a new browser context, so no compiled script is cached.
async function load(browser, server, script, settings) {
	const context = await browser.newContext()
	const page = await context.newPage()
	const serve = (path, body, contentType) => page.route(`${server.url}${path}`, (route) => route.fulfill({ body, contentType }))
	const tags = ['/load/0.js', '/load/1.js', '/load/heartbeat.js'].map((src) => `<script src="${src}"></script>`)
	const globals = `var ajaxurl = '/wp-admin/admin-ajax.php', pagenow = 'dashboard', heartbeatSettings = ${JSON.stringify(settings)}`
	await serve('/load/', `<!DOCTYPE html><title>load</title><body><h1>Dashboard</h1><script>${globals}</script>${tags.join('')}</body>`, 'text/html')
	for (const [i, library] of libraries.entries()) await serve(`/load/${i}.js`, library, 'text/javascript')
	await serve('/load/heartbeat.js', script, 'text/javascript')
	await page.addInitScript(() => {
		window.long = 0
		new PerformanceObserver((list) => list.getEntries().forEach((task) => (window.long = Math.max(window.long, task.duration)))).observe({ type: 'longtask', buffered: true })
	})
	await browser.startTracing(page, { categories: ['devtools.timeline', 'v8'] })
	await page.goto(`${server.url}/load/`, { waitUntil: 'load' })
	const times = await page.evaluate(() => {
		const { domContentLoadedEventEnd: ready, loadEventEnd: loaded } = performance.getEntriesByType('navigation')[0]
		return { ready, loaded: loaded || performance.now() }
	})
	const { traceEvents } = JSON.parse((await browser.stopTracing()).toString())
	const ran = traceEvents.filter((event) => event.name === 'EvaluateScript' && event.args?.data?.url?.endsWith('/load/heartbeat.js'))
	times.evaluated = ran.reduce((sum, event) => sum + event.dur / 1000, 0)
	times.longest = await page.evaluate(() => window.long)
	await context.close()
	return times
}

async function measure() {
	const server = await startHeartbeatd(t)
	const browser = await startChromium(t)
	const silent = createServer(() => {}).listen(0, '127.0.0.1') // it takes connections and never answers
	t.after(() => silent.close())
	const settings = await (await fetch(`${server.url}/demo/settings?user=1`)).json()
	const without = { ...settings, heartbeatd: undefined }
	const unanswered = { ...settings, heartbeatd: { ...settings.heartbeatd, url: `http://127.0.0.1:${silent.address().port}/heartbeat` } }
	const [core, dropIn] = Object.keys(files)
	const cases = [[core, core, without], [dropIn, dropIn, settings], [`${dropIn}, heartbeatd does not answer`, dropIn, unanswered]]
	console.log(`\n| median of ${LOADS} loads | compiled and run | DOMContentLoaded | load | longest task above 50 ms |\n|---|--:|--:|--:|--:|`)
	const all = cases.map(() => [])
	for (let n = 0; n <= LOADS; n++) {
		for (const [i, [, file, its]] of cases.entries()) {
			const times = await load(browser, server, files[file], its)
			if (n > 0) all[i].push(times) // the first load warms up the browser
			process.stderr.write(`load ${n} of ${LOADS}: ${cases[i][0]}\n`)
		}
	}
	for (const [i, [name]] of cases.entries()) {
		const of = (key) => `${median(all[i].map((times) => times[key])).toFixed(1)} ms`
		console.log(`| ${name} | ${of('evaluated')} | ${of('ready')} | ${of('loaded')} | ${of('longest')} |`)
	}
}

printSizes()
try {
	await measure()
} finally {
	for (const end of ends.reverse()) await end()
}
