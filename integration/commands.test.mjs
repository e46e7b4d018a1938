// Every command in the documentation is run here as it stands, with other addresses and secrets, or is
// listed with what runs it, or with the reason why nothing does.

import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { before, describe, test } from 'node:test'
import { API_KEY, binary, root, startHeartbeatd, suite, until } from './browser/harness.mjs'
import { documentedCommands, shownConfigurations } from './commands.mjs'

const SECRET = '0123456789abcdef0123456789abcdef'

// Commands that end by themselves, with what they print.
const ENDING = [
	[/^heartbeatd push '/, /^[\w@]+-\d+$/m],
	[/^heartbeatd push - /, /^[\w@]+-\d+$/m],
	[/^heartbeatd nudge --/, /^$/],
	[/^curl .*\/push$/, /"cursor":"/],
	[/^HEARTBEATD_SITE_SECRET=… heartbeatd ticket /, /^[\w-]+\.[\w-]+\.[\w-]+\n$/],
	[/^curl .*\/beat$/, /"presence-online":\[\{"user_id":7,"display_name":"Ada"/],
	[/^curl .*pprof/, /^$/],
	[/^go tool pprof /, /Duration|Type/],
	[/^heartbeatd config example >/, /^$/],
	[/^heartbeatd config check --/, /./],
	[/^heartbeatd (serve|ticket) --help$/, /--site-secret/],
	[/^openssl rand -hex \d+$/, /^[0-9a-f]{32,64}\n$/],
	[/^openssl rand -hex 32 >/, /^$/],
	[/^go run \.\/integration\/cluster\/faults -only list$/, /rolling-minute/],
]

// Commands that run until they are stopped, with what they print before.
const LASTING = [
	[/^heartbeatd watch($| --(json|user|site)| 'postType)/, /user-7|"user_id":7/],
	[/^(go run|node|python3) .*observ.* nats:/, /user-7/],
	[/^heartbeatd --nats-listen/, /\bready\b/],
	[/^heartbeatd --config/, /\bready\b/],
	[/^\.\/heartbeatd --site-secret-file/, /\bready\b/],
	[/^go run \.\/server\/heartbeatd$/, /\bready\b/],
]

// What runs the others, with a part of its text.
const ELSEWHERE = [
	[/heartbeatd doctor https:/, 'integration/fronts/doctor.test.mjs', 'doctor'],
	[/^wp presence /, 'integration/wordpress/presence/alone.test.mjs', 'presence'],
	[/^wp eval .*heartbeatd_increase_site_serial/, 'integration/wordpress/network.test.mjs', 'heartbeatd_increase_site_serial'],
	[/^wp heartbeatd status$/, 'integration/wordpress/presence/alone.test.mjs', 'heartbeatd status'],
	[/^(cp|install) .*systemd\/|^systemctl /, 'integration/recipes/systemd.test.mjs', 'systemd-analyze'],
	[/TestUpgrade/, 'integration/cluster/upgrade_test.go', 'func TestUpgrade'],
	[/integration\/cluster\/faults -pages/, 'integration/cluster/faults/faults_test.go', 'func Test'],
	[/integration\/attack$/, 'integration/attack/attack_test.go', 'func TestMutatedInputs'],
	[/integration\/wordpress\/translations.mjs$/, 'integration/wordpress/translations.test.mjs', './translations.mjs'],
	[/integration\/wordpress\/findings.mjs$/, 'integration/wordpress/files.test.mjs', 'findings.mjs'],
	[/^make (deb|package)$|^apt (install|purge) |^cat \/etc\/heartbeatd\.secret$/, 'integration/package/package.test.mjs', "'dpkg', '--install'"],
	[/^make build$/, 'integration/browser/harness.mjs', "'build'"],
]

const NOT_RUN = [
	[/^make (test|test-fast|check)$|^go test \.\/server\/room$|integration\/docs\.test\.mjs$/, 'make test, of which this is a part'],
	[/^git clone /, 'the tests run in a clone'],
	[/^make (bench|explore|outdated|fuzz|attack|faults)|^FUZZ_TIME=|integration\/(load|tenants)|-exhaust$|-bench |standins\/table|requests\.test/, 'it measures for minutes, or needs the network'],
	[/^make wordpress$/, 'it runs until somebody stops it; the parts of integration/wordpress/try.mjs are those of all live tests'],
	[/^(wp|\.\/heartbeatd|heartbeatd) [a-z]+( [a-z]+)?$/, 'it only names the command'],
	[/pictures\/make.mjs$/, 'it makes pictures for somebody to look at'],
	[/^ssh /, 'it needs another machine'],
	[/--nats-prefix staging$/, 'it needs nodes with that prefix; server/heartbeatd has the test'],
]

const commands = documentedCommands()

test('every command is run, or listed', () => {
	const lists = { ENDING, LASTING, ELSEWHERE, NOT_RUN }
	const used = new Set()
	const missing = []
	for (const [command, pages] of commands) {
		const entry = Object.values(lists).flat().find(([pattern]) => pattern.test(command))
		if (entry) used.add(entry)
		else missing.push(`${[...pages]}: ${command}`)
	}
	assert.deepEqual(missing, [], 'add it to a list of this file')
	assert.deepEqual(Object.values(lists).flat().filter((entry) => !used.has(entry)).map(([pattern]) => String(pattern)), [], 'no page has such a command')
	for (const [, file, part] of ELSEWHERE) assert.ok(existsSync(`${root}${file}`) && readFileSync(`${root}${file}`, 'utf8').includes(part), `${file} has no ${part}`)
})

describe('commands', () => {
	const t = suite()
	let folder, server, ticket

	before(async () => {
		folder = mkdtempSync(`${tmpdir()}/heartbeatd-commands-`)
		t.after(() => rmSync(folder, { recursive: true }))
		writeFileSync(`${folder}/data.json`, '{"text":"Lunch!"}')
		server = await startHeartbeatd(t, { flags: ['--site-secret', SECRET, '--api-key', API_KEY] })
	})

	// start runs a command in a shell of its own, whose processes end together.
	function start(command) {
		const text = command
			.replace(/^((?:[A-Z_]+=\S+ )*)(?:\.\/)?heartbeatd\b/, `$1${binary}`)
			.replaceAll('…', SECRET).replaceAll('=PASSWORD', `=${SECRET}`).replaceAll('=ANOTHER', `=${SECRET}`)
			.replace('nats://observer:PASSWORD@127.0.0.1:4222', `nats://${server.nats}`)
			.replaceAll('http://127.0.0.1:8081', server.admin).replaceAll('http://127.0.0.1:8080', server.url)
			.replace('--nats-listen 127.0.0.1:4222', '--nats-listen 127.0.0.1:0')
			.replaceAll('/etc/heartbeatd.json', `${folder}/heartbeatd.json`).replace('seconds=20', 'seconds=1')
			.replace('curl ', 'curl -sSg ')
		const isServer = LASTING.some(([pattern, printed]) => String(printed).includes('ready') && pattern.test(command))
		const child = spawn('bash', ['-c', text], {
			cwd: / \.?\/?(integration|server)\//.test(text) ? root : folder, detached: true, stdio: ['ignore', 'pipe', 'pipe'],
			env: { ...process.env, ...(isServer ? SERVER : CLIENT(server)), XDG_STATE_HOME: `${folder}/state`, API_KEY, KEY: API_KEY, TICKET: ticket },
		})
		const run = { text, printed: '', child, ended: new Promise((done) => child.once('close', done)) }
		for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => { run.printed += data })
		return run
	}

	// In the order of the list: curl needs the ticket, and pprof the profile.
	for (const [pattern, printed] of ENDING) {
		for (const command of [...commands.keys()].filter((text) => pattern.test(text))) {
			test(command, async () => {
				const run = start(command)
				assert.equal(await run.ended, 0, `${run.text}: ${run.printed}`)
				assert.match(run.printed, printed)
				if (command.includes('heartbeatd ticket --user')) ticket = run.printed.trim()
			})
		}
	}

	for (const [pattern, printed] of LASTING) {
		for (const command of [...commands.keys()].filter((text) => pattern.test(text))) {
			test(command, async () => {
				if (command.includes('--config')) {
					const file = `${folder}/heartbeatd.json`
					writeFileSync(file, readFileSync(file, 'utf8').replaceAll(/127\.0\.0\.1:\d+/g, '127.0.0.1:0'))
				}
				const run = start(command)
				let ended = false
				run.ended.then(() => { ended = true })
				try {
					await until(run.text, async () => {
						if (ended) throw new Error(`${run.text} has ended: ${run.printed}`)
						await join()
						return printed.test(run.printed)
					}, 60)
				} finally {
					process.kill(-run.child.pid, 'SIGTERM')
					await run.ended
				}
			})
		}
	}

	test('heartbeatd accepts the configurations that pages show', async () => {
		const configurations = shownConfigurations()
		assert.ok(configurations.length >= 2)
		for (const text of configurations) {
			writeFileSync(`${folder}/shown.json`, text)
			const run = start(`heartbeatd config check --config ${folder}/shown.json`)
			assert.equal(await run.ended, 0, `${text}: ${run.printed}`)
		}
	})

	// join makes user 7 enter two rooms again, with other data, so that it is published at once.
	let times = 0
	async function join() {
		for (const room of ['admin/online', 'postType/post:42']) {
			const answer = await fetch(`${server.admin}/api/v1/presence`, {
				method: 'PUT', headers: { Authorization: `Bearer ${API_KEY}` },
				body: JSON.stringify({ site: 'default', room, client_id: 'user-7', user_id: 7, display_name: 'Ada', data: { times: ++times } }),
			})
			assert.equal(answer.status, 200, await answer.text())
		}
	}
})

const SERVER = { HEARTBEATD_LISTEN: '127.0.0.1:0', HEARTBEATD_ADMIN_LISTEN: '127.0.0.1:0' }
const CLIENT = (server) => ({ HEARTBEATD_API: server.admin, HEARTBEATD_NATS_URL: `nats://${server.nats}`, HEARTBEATD_SITE_SECRET: SECRET })
