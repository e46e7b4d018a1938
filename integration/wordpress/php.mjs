// PHP code inside a site.

import { execFileSync, spawn } from 'node:child_process'
import { closeSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs'
import { dirname } from 'node:path'
import { fileURLToPath } from 'node:url'

const wpEval = fileURLToPath(new URL('wp-eval.php', import.meta.url))
const END = Buffer.from('\0END\0')

// startPHP returns php, which runs code inside the site and returns what the code returns, and
// stop. The process waits for each piece of code.
export function startPHP(site) {
	const folder = `${dirname(site.dir)}/php-eval`
	mkdirSync(folder)
	const [code, result] = ['code', 'result'].map((name) => {
		execFileSync('mkfifo', [`${folder}/${name}`])
		return openSync(`${folder}/${name}`, 'r+')
	})
	// All pieces of code have the time at which PHP started. With the frequency -1 PHP looks at all
	// files, and with the default of opcache.file_update_protection keeps none that is newer.
	const options = ['-d', 'opcache.enable_cli=1', '-d', 'opcache.revalidate_freq=-1']
	const child = spawn('setpriv', ['--pdeathsig=KILL', '--', 'php', ...options, wpEval, site.dir, 'serve'], { stdio: [code, result, 'inherit'] })
	const part = Buffer.alloc(1 << 16)
	return {
		php(text) {
			const bytes = Buffer.from(text)
			const request = Buffer.concat([Buffer.from(`${bytes.length}\n`), bytes])
			for (let sent = 0; sent < request.length;) sent += writeSync(code, request, sent)
			let out = Buffer.alloc(0)
			while (!out.subarray(-END.length).equals(END)) out = Buffer.concat([out, part.subarray(0, readSync(result, part))])
			return resultOf(out.toString())
		},
		stop() {
			child.kill('SIGKILL')
			for (const pipe of [code, result]) closeSync(pipe)
		},
	}
}

// runPHP is like php, but does not block this process: for code that makes requests to it.
export async function runPHP(site, code) {
	const compiled = `${dirname(site.dir)}/compiled`
	mkdirSync(compiled, { recursive: true })
	// PHP keeps the compiled files of the site, which takes most of the time of a call.
	const options = { enable_cli: 1, file_cache: compiled, file_cache_only: 1 }
	const child = spawn('php', [...Object.entries(options).flatMap(([name, value]) => ['-d', `opcache.${name}=${value}`]), wpEval, site.dir], { stdio: ['pipe', 'pipe', 'inherit'] })
	child.stdin.end(code)
	let out = ''
	for await (const chunk of child.stdout) out += chunk
	return resultOf(out)
}

function resultOf(out) {
	const [, json] = out.split('\u0000')
	if (json === undefined || json === 'END') throw new Error(out)
	return JSON.parse(json)
}
