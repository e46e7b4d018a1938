// Builds dist/ from src/, and copies the drop-in and the link alone to the plugin. With --check it builds in
// memory, and fails if a committed file is stale or the drop-in is too large.

import { build } from 'esbuild'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { gzipSync } from 'node:zlib'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const MAX_BYTES = 15 * 1024 // gzipped
const check = process.argv.includes('--check')

const { outputFiles } = await build({
	absWorkingDir: here,
	entryPoints: ['src/heartbeat.js', 'src/heartbeat-transport.js', 'src/heartbeat-link.js'],
	outdir: 'dist',
	bundle: true,
	minify: true,
	format: 'iife',
	target: 'es2017',
	charset: 'ascii',
	legalComments: 'none',
	sourcemap: true,
	write: false,
})

// The demo site serves jQuery, as WordPress does.
const jquery = createRequire(import.meta.url).resolve('jquery/dist/jquery.min.js')
const plugin = join(here, '../integration/wordpress/heartbeatd/assets')
const files = [
	...outputFiles,
	...outputFiles
		.filter(({ path }) => /^heartbeat(-link)?\.js/.test(basename(path)))
		.map(({ path, text }) => ({ path: join(plugin, basename(path)), text })),
	{ path: join(here, '../server/demosite/page/jquery.js'), text: await readFile(jquery, 'utf8') },
]

const stale = []
await mkdir(join(here, 'dist'), { recursive: true })
for (const file of files) {
	const committed = await readFile(file.path, 'utf8').catch(() => '')
	if (check && committed !== file.text) stale.push(basename(file.path))
	if (!check) await writeFile(file.path, file.text)
}

const size = gzipSync(outputFiles.find((file) => file.path.endsWith('/heartbeat.js')).contents, { level: 9 }).length
console.log(`dist/heartbeat.js: ${size} bytes gzipped, at most ${MAX_BYTES}`)
if (stale.length) console.error(`stale: ${stale.join(', ')}; run node client-js/build.mjs`)
if (stale.length || size > MAX_BYTES) process.exitCode = 1
